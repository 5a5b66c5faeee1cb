//! The library's reports as results of commands: which schema they have in JSON, and which exit status.

use imgdelta_deploy::calls::{DeployReport, PlanReport, ReceiveReport};
use imgdelta_operations::{
    ApplyReport, AttachReport, CheckedImage, ChildReport, CompareReport, ConvertReport,
    DigestReport, InfoReport, MapReport, ReferencesReport,
};

use super::Outcome;

/// Results that are a success whenever they are there.
macro_rules! outcome {
    ($($report:ty: $schema:literal),+ $(,)?) => {$(
        impl Outcome for $report {
            const SCHEMA: &'static str = $schema;

            fn notes(&self) -> &[String] {
                &self.notes
            }
        }
    )+};
}

outcome! {
    ChildReport: "imgdelta/make/1",
    ApplyReport: "imgdelta/apply/1",
    AttachReport: "imgdelta/attach/1",
    ConvertReport: "imgdelta/convert/1",
    InfoReport: "imgdelta/info/1",
    MapReport: "imgdelta/map/1",
    DigestReport: "imgdelta/digest/1",
    PlanReport: "imgdelta/plan/1",
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

impl Outcome for ReferencesReport {
    const SCHEMA: &'static str = "imgdelta/references/1";
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

impl Outcome for DeployReport {
    const SCHEMA: &'static str = "imgdelta/deploy/1";

    fn exit(&self) -> u8 {
        self.failure().map_or(0, |failed| failed.exit)
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Outcome for ReceiveReport {
    const SCHEMA: &'static str = "imgdelta/receive/1";

    fn exit(&self) -> u8 {
        self.failure().map_or(0, |failed| failed.exit)
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}
