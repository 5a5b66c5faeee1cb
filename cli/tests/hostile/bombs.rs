//! Small files that stand for a lot: chains without end, disks of many TiB, one cluster a thousand times. Little time, little memory.

use imgdelta_fixtures::{
    Fill, Recipe,
    qcow2::{Backing, Compression, Qcow2Spec},
    vhd::VhdSpec,
};

use std::{fs, io::Write, os::unix::fs::FileExt, thread, time::Duration};

use imgdelta::engine::{Digest, WINDOW};

use crate::{Outcome, place::Place};

/// A cluster's bytes.
const CLUSTER: u64 = 64 << 10;

#[test]
fn a_chain_that_leads_back_to_itself_is_refused_at_once() -> Outcome {
    let place = Place::empty()?;
    let over = |name: &str| {
        let backing = Backing {
            name: name.into(),
            format: Some("qcow2".into()),
        };
        Qcow2Spec {
            backing: Some(backing),
            ..Qcow2Spec::new(Recipe::empty(1 << 20), 16)
        }
        .build()
    };
    let child = |id: u8, parent: u8, name: &str| {
        VhdSpec {
            unique_id: [id; 16],
            ..VhdSpec::differencing(Recipe::empty(1 << 20), 64 << 10, [parent; 16], name)
        }
        .build()
    };
    place.put("self.qcow2", &over("self.qcow2"))?;
    place.put("a.qcow2", &over("b.qcow2"))?;
    place.put("b.qcow2", &over("c.qcow2"))?;
    place.put("c.qcow2", &over("a.qcow2"))?;
    place.put("self.vhd", &child(1, 1, "self.vhd"))?;
    place.put("d.vhd", &child(2, 3, "e.vhd"))?;
    place.put("e.vhd", &child(3, 2, "d.vhd"))?;
    for image in ["self.qcow2", "a.qcow2", "b.qcow2", "self.vhd", "d.vhd"] {
        for line in [
            format!("convert {image} -o out.raw"),
            format!("info --chain {image}"),
            format!("digest {image}"),
            format!("compare {image} {image}"),
        ] {
            let ended = place.changes_nothing(&line, 5, "a loop")?;
            assert!(ended.said.contains("parent chain loops"), "{line}: {ended}");
        }
    }
    Ok(())
}

#[test]
fn a_disk_of_which_every_cluster_is_the_same_packed_one_needs_no_memory() -> Outcome {
    let place = Place::empty()?;
    let size = 256 << 20;
    let built = Qcow2Spec {
        compression: Some(Compression::deflate()),
        ..Qcow2Spec::new(Recipe::of(size, [(0, CLUSTER, Fill::Text)]), 16)
    }
    .build_files();
    let (mut image, table) = (built.image, built.layout.l2[0] as usize);
    let entry = image[table..table + 8].to_vec();
    for cluster in 0..(size / CLUSTER) as usize {
        image[table + 8 * cluster..][..8].copy_from_slice(&entry);
    }
    place.put("bomb.qcow2", &image)?;
    let ended = place.changes_nothing("digest bomb.qcow2 --no-cache", 0, "a bomb")?;
    assert!(ended.said.contains("imgdelta1:"), "{ended}");
    place.changes_nothing("compare bomb.qcow2 bomb.qcow2", 0, "a bomb")?;
    place.changes_nothing("info bomb.qcow2", 0, "a bomb")?;
    // One cluster has a refcount of 1 and 4096 users.
    place.changes_nothing("check bomb.qcow2", 1, "a bomb")?;
    Ok(())
}

#[test]
fn a_qcow2_disk_of_64_tib_is_looked_at_in_little_memory() -> Outcome {
    let place = Place::empty()?;
    let size = 64 << 40;
    let runs = [
        (0, CLUSTER, Fill::Pattern(1)),
        (size - CLUSTER, CLUSTER, Fill::Pattern(2)),
    ];
    let image = Qcow2Spec::new(Recipe::of(size, runs), 16).build();
    assert!(image.len() < 4 << 20, "{} bytes", image.len());
    place.put("huge.qcow2", &image)?;
    for line in [
        "info huge.qcow2",
        "info --json huge.qcow2",
        "map huge.qcow2",
        "check huge.qcow2",
    ] {
        place.changes_nothing(line, 0, "64 TiB")?;
    }
    let ended = place.run("convert huge.qcow2 -o copy.qcow2", "64 TiB")?;
    assert_eq!(ended.code, Some(0), "{ended}");
    place.changes_nothing("compare huge.qcow2 copy.qcow2", 0, "64 TiB")?;
    Ok(())
}

#[test]
fn a_vhd_disk_of_2040_gib_is_looked_at_in_little_memory() -> Outcome {
    let place = Place::empty()?;
    let size = 2040 << 30;
    let runs = [
        (0, CLUSTER, Fill::Pattern(1)),
        (size - CLUSTER, CLUSTER, Fill::Pattern(2)),
    ];
    place.put(
        "huge.vhd",
        &VhdSpec::dynamic(Recipe::of(size, runs), 2 << 20).build(),
    )?;
    for line in ["info huge.vhd", "map huge.vhd", "check huge.vhd"] {
        place.changes_nothing(line, 0, "2040 GiB")?;
    }
    let ended = place.run("convert huge.vhd -o copy.vhd", "2040 GiB")?;
    assert_eq!(ended.code, Some(0), "{ended}");
    place.changes_nothing("compare huge.vhd copy.vhd", 0, "2040 GiB")?;
    Ok(())
}

/// The leaves of a disk of which only the first window is not zero, each window told on its own, as files of version 1 are.
fn in_single_windows(kept: &[u8], windows: u64, first: Digest) -> Vec<u8> {
    let (size, end) = (&kept[16..24], &kept[kept.len() - 37..kept.len() - 4]);
    let mut file = [
        b"imgdelta leaves1",
        size,
        &[1],
        &1_u64.to_le_bytes(),
        &first.0,
    ]
    .concat();
    let zero = [&[0], 1_u64.to_le_bytes().as_slice()].concat();
    for _ in 1..windows {
        file.extend_from_slice(&zero);
    }
    [&file, end].concat()
}

#[test]
fn what_is_remembered_window_by_window_of_a_disk_of_a_tebibyte_needs_no_memory() -> Outcome {
    let place = Place::empty()?;
    if !imgdelta_fixtures::peers::remembers(&place.path("")) {
        return Ok(());
    }
    let (size, data) = (1_u64 << 40, [7; WINDOW.0 as usize]);
    for name in ["base.raw", "target.raw"] {
        place.put(name, &data)?;
        let file = fs::File::options().write(true).open(place.path(name))?;
        file.set_len(size)?;
    }
    let target = fs::File::options()
        .write(true)
        .open(place.path("target.raw"))?;
    target.write_all_at(b"new", size / 2)?;
    drop(target);
    // Digests are kept of files that have been at rest for two seconds.
    thread::sleep(Duration::from_millis(2200));
    let kept = place.run("digest base.raw", "1 TiB")?;
    assert_eq!(kept.code, Some(0), "{kept}");
    let entry = fs::read_dir(place.path("cache"))?
        .next()
        .ok_or("nothing is remembered")??;
    let file = in_single_windows(
        &fs::read(entry.path())?,
        size / WINDOW.0,
        Digest::leaf(&data),
    );
    fs::File::create(entry.path())?.write_all(&file)?;
    let made = place.run("make -b base.raw -t target.raw -o child.qcow2", "1 TiB")?;
    assert_eq!(made.code, Some(0), "{made}");
    assert!(made.said.contains("base remembered"), "{made}");
    let again = place.run("digest base.raw", "1 TiB")?;
    assert!(again.said.contains(&kept.said[..74]), "{again}");
    Ok(())
}
