//! The library's reports as results of commands: which schema they have in JSON, and which exit status.

use imgdelta::core::Kind;
use imgdelta::deploy::{
    DeployReport, DropReport, ReceiveReport, ReceivedImage, RefillReport, SiteReport,
    VerifyDeliveryReport,
};
use imgdelta::repository::{
    AddReport, EditReport, Failed, GcReport, InitReport, InventoryReport, ListSummary, PlanReport,
    RemoveReport, RequireSignerReport, ScanReport, ShowReport, TreeSummary, VerifySummary,
};
use imgdelta::{
    ApplyReport, AttachAllReport, AttachReport, CheckedImage, ChildReport, CompareReport,
    ConvertReport, DigestReport, InfoReport, MapReport, PackageReport, ReferencesReport,
    SalvageReport, TransportReport,
};

use super::Outcome;

/// Results that are a success whenever they are there, with notes or without.
macro_rules! outcome {
    ($($report:ty: $schema:literal),+ $(,)?) => {$(
        impl Outcome for $report {
            const SCHEMA: &'static str = $schema;

            fn notes(&self) -> &[String] {
                &self.notes
            }
        }
    )+};
    (noteless $($report:ty: $schema:literal),+ $(,)?) => {$(
        impl Outcome for $report {
            const SCHEMA: &'static str = $schema;
        }
    )+};
}

outcome! {
    ChildReport: "imgdelta/make/1",
    TransportReport: "imgdelta/make-transport/1",
    ApplyReport: "imgdelta/apply/1",
    AttachReport: "imgdelta/attach/1",
    ConvertReport: "imgdelta/convert/1",
    InfoReport: "imgdelta/info/1",
    MapReport: "imgdelta/map/1",
    DigestReport: "imgdelta/digest/1",
    ListSummary: "imgdelta/repo-list/1",
    TreeSummary: "imgdelta/repo-tree/1",
    ShowReport: "imgdelta/repo-show/1",
    InventoryReport: "imgdelta/inventory-written/1",
    RemoveReport: "imgdelta/repo-remove/1",
    DropReport: "imgdelta/deploy-drop/1",
    RefillReport: "imgdelta/deploy-refill/1",
}

outcome! {
    noteless
    ReferencesReport: "imgdelta/references/1",
    PackageReport: "imgdelta/package/1",
    InitReport: "imgdelta/repo-init/1",
    EditReport: "imgdelta/repo-edit/1",
    GcReport: "imgdelta/repo-gc/1",
    RequireSignerReport: "imgdelta/repo-require-signer/1",
}

impl Outcome for PlanReport {
    const SCHEMA: &'static str = "imgdelta/plan/1";

    fn exit(&self) -> u8 {
        u8::from(self.media.as_ref().is_some_and(|media| !media.fits))
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Outcome for CompareReport {
    const SCHEMA: &'static str = "imgdelta/compare/1";

    fn exit(&self) -> u8 {
        u8::from(!self.same)
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Outcome for AttachAllReport {
    const SCHEMA: &'static str = "imgdelta/attach-all/1";

    fn exit(&self) -> u8 {
        let mut exits = self.left.iter().map(|left| left.exit);
        exits.find(|exit| *exit != 0).unwrap_or(0)
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Outcome for SalvageReport {
    const SCHEMA: &'static str = "imgdelta/salvage/1";

    /// Something is lost: what came out is not the disk.
    fn exit(&self) -> u8 {
        if self.lost_bytes == 0 {
            0
        } else {
            Kind::Corrupt.exit()
        }
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Outcome for CheckedImage {
    const SCHEMA: &'static str = "imgdelta/check/1";

    fn exit(&self) -> u8 {
        u8::from(!self.sound)
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// What went wrong with images of a site or a delivery, each behind `place`.
fn of_images<'a>(
    place: &str,
    images: impl Iterator<Item = &'a ReceivedImage>,
) -> Vec<(String, &'a Failed)> {
    let failed = images.filter_map(|image| {
        let what = format!("{place}{}", image.name);
        Some((what, image.error.as_ref()?))
    });
    failed.collect()
}

impl Outcome for AddReport {
    const SCHEMA: &'static str = "imgdelta/repo-add/1";

    fn exit(&self) -> u8 {
        let mut failed = self.images.iter().filter_map(|one| one.error.as_ref());
        failed.next().map_or(0, |failed| failed.exit)
    }

    fn failures(&self) -> Vec<(String, &Failed)> {
        let failed = self.images.iter();
        let failed = failed.filter_map(|one| Some((one.path.clone(), one.error.as_ref()?)));
        failed.collect()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Outcome for ScanReport {
    const SCHEMA: &'static str = "imgdelta/repo-scan/1";

    fn exit(&self) -> u8 {
        self.failed.first().map_or(0, |failed| failed.error.exit)
    }

    fn failures(&self) -> Vec<(String, &Failed)> {
        let failed = self.failed.iter();
        failed.map(|one| (one.path.clone(), &one.error)).collect()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Outcome for VerifySummary {
    const SCHEMA: &'static str = "imgdelta/repo-verify/1";

    /// What was to be mended, and is not, is damage.
    fn exit(&self) -> u8 {
        match self.mended {
            Some(_) if self.faults > 0 => Kind::Digest.exit(),
            _ => u8::from(!self.is_sound()),
        }
    }

    fn failures(&self) -> Vec<(String, &Failed)> {
        let records = self.records.iter();
        records
            .map(|record| (self.repository.clone(), record))
            .collect()
    }
}

impl Outcome for DeployReport {
    const SCHEMA: &'static str = "imgdelta/deploy/1";

    fn failures(&self) -> Vec<(String, &Failed)> {
        fn of_site(site: &SiteReport) -> Vec<(String, &Failed)> {
            let errors = site.errors.iter().map(|error| (site.site.clone(), error));
            let images = site.images.iter().flatten();
            errors
                .chain(of_images(&format!("{}: ", site.site), images))
                .collect()
        }
        self.sites.iter().flat_map(of_site).collect()
    }

    fn exit(&self) -> u8 {
        self.failure().map_or(0, |failed| failed.exit)
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Outcome for ReceiveReport {
    const SCHEMA: &'static str = "imgdelta/receive/1";

    fn failures(&self) -> Vec<(String, &Failed)> {
        of_images("", self.images.iter())
    }

    fn exit(&self) -> u8 {
        self.failure().map_or(0, |failed| failed.exit)
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Outcome for VerifyDeliveryReport {
    const SCHEMA: &'static str = "imgdelta/verify/1";

    fn failures(&self) -> Vec<(String, &Failed)> {
        let files = self.files.iter();
        let failed = files.filter_map(|file| Some((file.name.clone(), file.error.as_ref()?)));
        failed.collect()
    }

    fn exit(&self) -> u8 {
        self.failure().map_or(0, |failed| failed.exit)
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}
