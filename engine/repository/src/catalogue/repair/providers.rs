//! Where the right bytes of damaged windows are: in any image of this repository, or of others, that has a window of the same leaf digest.
//! Leaves say where to look; what is there is read and proven.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_delta::{
    Chain, ContentId, Digest,
    digest_cache::{LONGEST_RUN, LeafReader, LeafRun},
};
use imgdelta_operations::restored_image::{Windows, window_at};

use super::windows::{Damaged, leaf_of};
use crate::catalogue::{Record, Repository, Run, verdict::Provider};

/// How many windows of one leaf digest are tried in one image: the first may be damaged too.
const TRIES: usize = 8;

/// Damaged windows and where their right bytes are.
#[derive(Debug)]
pub(super) struct Found {
    /// By number: the leaf that it is to have, and the image and the window there; `None`, if it is to be zero.
    windows: BTreeMap<u64, Option<(Digest, usize, u64)>>,
    /// The disks of images that have some.
    disks: Vec<Chain>,
}

/// What came of a search.
#[derive(Debug)]
pub(super) struct Search {
    /// What was found.
    pub(super) found: Arc<Found>,
    /// The images that have them.
    pub(super) providers: Vec<Provider>,
    /// The numbers of windows that no image has, in order.
    pub(super) missing: Vec<u64>,
}

impl Windows for Found {
    fn numbers(&self) -> Box<dyn Iterator<Item = u64> + '_> {
        Box::new(self.windows.keys().copied())
    }

    fn has(&self, number: u64) -> bool {
        self.windows.contains_key(&number)
    }

    fn fill(&self, number: u64, buf: &mut [u8]) -> Result<()> {
        let place = self.windows.get(&number).copied().flatten();
        let Some((leaf, disk, there)) = place else {
            buf.fill(0);
            return Ok(());
        };
        let gone = || {
            Error::new(
                Kind::Host,
                "an image that has a window of it changed while it was mended",
            )
            .with_code("input_changed")
        };
        let disk = self.disks.get(disk).ok_or_else(gone)?;
        let (at, _) = window_at(there, disk.size());
        disk.read_at(at, buf)?;
        if Digest::leaf(buf) == leaf {
            Ok(())
        } else {
            Err(gone())
        }
    }
}

/// An image that may have windows.
struct Candidate<'a> {
    repository: &'a Repository,
    record: Record,
    is_other: bool,
}

/// Looks for `damaged` windows of the image `record`, whose disk as it is now is `disk`, in all images of `own` and then of `others`.
///
/// # Errors
/// Host, if records cannot be listed; Interrupted. An image that cannot be read has nothing.
pub(super) fn search(
    damaged: &[Damaged],
    record: &Record,
    disk: Option<&Chain>,
    (own, others): (&Repository, &[Repository]),
    run: &Run<'_>,
) -> Result<Search> {
    let mut wanted: HashMap<Digest, Vec<u64>> = HashMap::new();
    let mut found = Found {
        windows: BTreeMap::new(),
        disks: Vec::new(),
    };
    for window in damaged {
        match window.leaf {
            Some(leaf) => wanted.entry(leaf).or_default().push(window.number),
            None => {
                found.windows.insert(window.number, None);
            }
        }
    }
    let mut providers = Vec::new();
    for candidate in candidates(own, others, &record.content_id)? {
        if wanted.is_empty() {
            break;
        }
        run.work.progress.go_on()?;
        let is_itself = !candidate.is_other && candidate.record.id == record.id;
        let Some(chain) = opened(&candidate, is_itself.then_some(disk), &wanted, run)? else {
            continue;
        };
        let (chain, places) = chain;
        let count = take(&mut wanted, &mut found, chain, places, run)?;
        if count > 0 {
            let folder = candidate.repository.folder().to_owned();
            providers.push(Provider {
                repository: candidate.is_other.then_some(folder),
                image: candidate.record.name.clone(),
                windows: count,
            });
        }
    }
    let mut missing: Vec<u64> = wanted.into_values().flatten().collect();
    missing.sort_unstable();
    Ok(Search {
        found: Arc::new(found),
        providers,
        missing,
    })
}

/// All images, those of the same disk first: they have all of it.
fn candidates<'a>(
    own: &'a Repository,
    others: &'a [Repository],
    content: &ContentId,
) -> Result<Vec<Candidate<'a>>> {
    let mut all = Vec::new();
    let mut seen: HashSet<(std::path::PathBuf, String)> = HashSet::new();
    let repositories = std::iter::once((own, false)).chain(others.iter().map(|one| (one, true)));
    for (repository, is_other) in repositories {
        let folder = repository.paths.real_folder()?;
        for record in repository.list()?.records() {
            if seen.insert((folder.clone(), record.id.folded())) {
                all.push(Candidate {
                    repository,
                    record: record.clone(),
                    is_other,
                });
            }
        }
    }
    all.sort_by_key(|one| one.record.content_id != *content);
    Ok(all)
}

/// Windows of a disk, by the leaf digest that each is said to have.
type Places = HashMap<Digest, Vec<u64>>;

/// The disk of a candidate and its windows that have wanted leaves, if there are any and it opens; `known`: it is the damaged image itself, as
/// far as that opens.
fn opened(
    candidate: &Candidate<'_>,
    known: Option<Option<&Chain>>,
    wanted: &HashMap<Digest, Vec<u64>>,
    run: &Run<'_>,
) -> Result<Option<(Chain, Places)>> {
    let repository = candidate.repository;
    let Some(leaves) = repository.leaves(&candidate.record).ok().flatten() else {
        return Ok(None);
    };
    let places = places_in(leaves, wanted, run)?;
    if places.is_empty() {
        return Ok(None);
    }
    let chain = match known {
        Some(known) => known.map(|chain| chain.resized(candidate.record.disk_size())),
        None => match repository.open_disk(&candidate.record) {
            Ok(disk) => Some(disk.chain),
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(_) => None,
        },
    };
    Ok(chain.map(|chain| (chain, places)))
}

/// The first windows that have wanted leaves. Damaged leaves end there.
fn places_in(
    mut leaves: LeafReader,
    wanted: &HashMap<Digest, Vec<u64>>,
    run: &Run<'_>,
) -> Result<Places> {
    let mut places = Places::new();
    let mut number = 0_u64;
    while let Ok(Some(next)) = leaves.next_run(LONGEST_RUN) {
        run.work.progress.go_on()?;
        match next {
            LeafRun::Zero(count) => number = number.saturating_add(count),
            LeafRun::Leaves(leaves) => {
                for leaf in leaves {
                    if wanted.contains_key(&leaf) {
                        let known = places.entry(leaf).or_default();
                        if known.len() < TRIES {
                            known.push(number);
                        }
                    }
                    number = number.saturating_add(1);
                }
            }
        }
    }
    Ok(places)
}

/// Takes what is proven to be there; how many windows are mended by it.
fn take(
    wanted: &mut HashMap<Digest, Vec<u64>>,
    found: &mut Found,
    chain: Chain,
    places: Places,
    run: &Run<'_>,
) -> Result<u64> {
    let disk = found.disks.len();
    let mut count = 0_u64;
    for (leaf, numbers) in places {
        for there in numbers {
            run.work.progress.go_on()?;
            if leaf_of(&chain, there, chain.size())? != Some(leaf) {
                continue;
            }
            for number in wanted.remove(&leaf).unwrap_or_default() {
                found.windows.insert(number, Some((leaf, disk, there)));
                count = count.saturating_add(1);
            }
            break;
        }
    }
    if count > 0 {
        found.disks.push(chain);
    }
    Ok(count)
}
