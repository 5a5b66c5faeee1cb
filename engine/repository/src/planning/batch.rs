//! Several images to several sites in one call. How one site is reached is worked out in `route`.

use std::collections::{BTreeMap, BTreeSet};

use imgdelta_core::Result;

use crate::planning::{
    batch_plan::{Batch, Pair, Route, Site, Transport},
    choose::place_of,
    lineage::Lineage,
    node::Node,
    route::route,
    rules::{Measurements, Rules},
    scoring::Scorer,
    transfers::Carried,
};

/// Works out how the images reach the sites with the least to send.
///
/// For each site that is the cheapest arborescence over nothing, the images it has, and the images of the batch, the cost being
/// the estimate. Images that nobody wants are carried as steps where that is less still.
///
/// # Errors
/// Usage, if headquarters does not have one of the images; else those of `facts`.
pub fn batch(
    headquarters: &[Node],
    sites: &[Site<'_>],
    wanted: &[&str],
    carrier: Transport,
    facts: &dyn Measurements,
    rules: &Rules,
) -> Result<Batch> {
    let lineage = Lineage::new(headquarters);
    let wanted: BTreeSet<&str> = wanted.iter().copied().collect();
    let wanted = wanted
        .into_iter()
        .map(|image| place_of(&lineage, image))
        .collect::<Result<Vec<usize>>>()?;
    let mut scorer = Scorer::new(&lineage, facts, rules);
    let nothing = Carried::new();
    let apart = sites
        .iter()
        .map(|site| route(&mut scorer, site, &wanted, &nothing))
        .collect::<Result<Vec<Route>>>()?;
    let apart = gathered(apart);
    if carrier == Transport::PerSite || sites.len() < 2 {
        return Ok(apart);
    }
    let mut carried = Carried::new();
    let mut routes = Vec::with_capacity(sites.len());
    for site in sites {
        let route = route(&mut scorer, site, &wanted, &carried)?;
        carried.extend(route.transfers.iter().filter_map(|transfer| {
            let base = transfer.from.base().and_then(|base| lineage.place(base));
            Some((lineage.place(&transfer.image)?, base))
        }));
        routes.push(route);
    }
    let together = gathered(routes);
    Ok(if together.on_medium() < apart.on_medium() {
        together
    } else {
        apart
    })
}

/// The routes, and the pairs that they need.
fn gathered(routes: Vec<Route>) -> Batch {
    let mut pairs: BTreeMap<_, Pair> = BTreeMap::new();
    for route in &routes {
        for transfer in &route.transfers {
            let image = transfer.image.clone();
            let base = transfer.from.base().map(str::to_owned);
            let pair = pairs
                .entry((image.clone(), base.clone()))
                .or_insert_with(|| Pair {
                    image,
                    base,
                    bytes: transfer.bytes,
                    sites: Vec::new(),
                });
            pair.sites.push(route.site.clone());
        }
    }
    Batch {
        routes,
        pairs: pairs.into_values().collect(),
    }
}
