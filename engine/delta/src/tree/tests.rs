//! Tests of its parent module.

use super::*;

/// RFC 6962 section 2.1, word for word.
fn reference(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::plain(&[]),
        [one] => *one,
        many => {
            let split = 1 << (many.len() - 1).ilog2();
            Digest::node(&reference(&many[..split]), &reference(&many[split..]))
        }
    }
}

fn leaf(number: u64) -> Digest {
    Digest::leaf(&number.to_le_bytes())
}

#[test]
fn the_root_is_that_of_rfc_6962_for_every_count() {
    for count in 0..70_u64 {
        let leaves: Vec<Digest> = (0..count).map(leaf).collect();
        let mut tree = Builder::new(Some(2));
        leaves.iter().for_each(|one| tree.push(*one));
        let (root, nodes) = tree.finish();
        assert_eq!(root, reference(&leaves), "{count} leaves");
        assert_eq!(
            nodes.expect("they were to be kept").root(),
            root,
            "{count} leaves"
        );
    }
}

#[test]
fn a_run_of_zero_windows_is_the_same_as_each_of_them() {
    let filler = RepeatedSubtrees::zero();
    for (before, run, after) in [
        (0, 1, 0),
        (1, 7, 2),
        (3, 64, 1),
        (5, 100, 9),
        (0, 4096, 0),
        (7, 1, 7),
        (2, 0, 2),
    ] {
        let (mut one, mut other) = (Builder::new(Some(3)), Builder::new(Some(3)));
        (0..before).for_each(|n| {
            [&mut one, &mut other]
                .into_iter()
                .for_each(|tree| tree.push(leaf(n)))
        });
        one.push_run(filler, run);
        (0..run).for_each(|_| other.push(filler.leaf()));
        (0..after).for_each(|n| {
            [&mut one, &mut other]
                .into_iter()
                .for_each(|tree| tree.push(leaf(n)))
        });
        assert_eq!(one.leaves(), other.leaves());
        assert_eq!(one.finish(), other.finish());
    }
}

#[test]
fn an_empty_disk_of_64_tib_has_its_id_at_once() {
    let windows = Bytes::gib(64 << 10).pieces(WINDOW);
    let mut tree = Builder::new(Some(Nodes::level_for(Bytes::gib(64 << 10))));
    tree.push_run(RepeatedSubtrees::zero(), windows);
    let (root, nodes) = tree.finish();
    let nodes = nodes.expect("they were to be kept");
    assert_eq!(nodes.nodes.len(), 1024);
    assert_eq!(nodes.root(), root);
}

#[test]
fn ids_are_written_and_read() -> Result<()> {
    let id = ContentId::new(Bytes(5), &Digest::leaf(b"hello"));
    assert_eq!(id.to_string().parse::<ContentId>()?, id);
    assert!("imgdelta1:12".parse::<ContentId>().is_err());
    assert!("sha256:00".parse::<ContentId>().is_err());
    assert!(
        format!("imgdelta1:{}", "é".repeat(32))
            .parse::<ContentId>()
            .is_err()
    );
    Ok(())
}

#[test]
fn the_first_differing_region_is_named() {
    let nodes = |changed: usize| Nodes {
        level: 4,
        nodes: (0..8).map(|n| leaf(u64::from(n == changed))).collect(),
    };
    assert_eq!(
        nodes(9).first_difference(&nodes(3)),
        Some((Bytes::mib(3), Bytes::mib(4)))
    );
    assert_eq!(nodes(3).first_difference(&nodes(3)), None);
}
