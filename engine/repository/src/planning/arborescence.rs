//! The cheapest way to reach every vertex of a graph from one of them: Chu-Liu's and Edmonds' minimum-cost arborescence.
//! Taking the cheapest edge to each vertex may close a cycle; the algorithm merges it into one vertex and begins again.

/// An edge that can be walked one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The vertex it leaves.
    pub from: usize,
    /// The vertex it reaches.
    pub to: usize,
    /// What it costs.
    pub cost: u64,
}

/// By which edge each of the `count` vertices is reached in a minimum-cost arborescence from `root`, as indices into `edges`;
/// the root by none. `None` if a vertex cannot be reached.
///
/// Among edges of the same cost the earlier is taken. Edges to or from vertices that do not exist count for nothing.
/// Time O(V * E), memory O(V + E).
#[must_use]
pub fn arborescence(count: usize, root: usize, edges: &[Edge]) -> Option<Vec<Option<usize>>> {
    let mut graph = Contraction::new(count, root, edges)?;
    loop {
        let entries = graph.cheapest_entries()?;
        let circles = graph.circles(&entries);
        if circles.is_empty() {
            return graph.unfold(&entries);
        }
        graph.contract(&entries, &circles)?;
    }
}

/// The graph with its circles drawn together, each into a new vertex behind those there are.
struct Contraction<'a> {
    edges: &'a [Edge],
    root: usize,
    count: usize,
    /// What is left of each edge's cost: what its head was reached for before is taken off at each contraction.
    left: Vec<u64>,
    /// The vertex, drawn together or not, in which each original one lies now.
    top: Vec<usize>,
    /// What each vertex was drawn together into; itself as long as it was not.
    into: Vec<usize>,
    /// Of each vertex that was drawn together: the edge of the circle that reached it.
    within: Vec<Option<usize>>,
    /// Of each new vertex: those of the circle.
    members: Vec<Vec<usize>>,
}

impl<'a> Contraction<'a> {
    fn new(count: usize, root: usize, edges: &'a [Edge]) -> Option<Self> {
        (root < count).then(|| Self {
            edges,
            root,
            count,
            left: edges.iter().map(|edge| edge.cost).collect(),
            top: (0..count).collect(),
            into: (0..count).collect(),
            within: vec![None; count],
            members: Vec::new(),
        })
    }

    /// Whether the vertex has not been drawn together into another.
    fn is_live(&self, vertex: usize) -> bool {
        self.into.get(vertex) == Some(&vertex)
    }

    /// The cheapest edge into each live vertex; `None` if one has none.
    fn cheapest_entries(&self) -> Option<Vec<Option<usize>>> {
        let mut entries: Vec<Option<(u64, usize)>> = vec![None; self.into.len()];
        for ((number, edge), left) in self.edges.iter().enumerate().zip(&self.left) {
            let (Some(from), Some(to)) = (self.top.get(edge.from), self.top.get(edge.to)) else {
                continue;
            };
            if from == to || *to == self.root {
                continue;
            }
            let entry = entries.get_mut(*to)?;
            if entry.is_none_or(|(best, _)| *left < best) {
                *entry = Some((*left, number));
            }
        }
        let is_reached = |(vertex, entry): (usize, &Option<(u64, usize)>)| {
            entry.is_some() || vertex == self.root || !self.is_live(vertex)
        };
        entries
            .iter()
            .enumerate()
            .all(is_reached)
            .then(|| entries.iter().map(|e| e.map(|(_, edge)| edge)).collect())
    }

    /// The live vertex from which `entry` comes.
    fn tail(&self, entry: usize) -> Option<usize> {
        self.top.get(self.edges.get(entry)?.from).copied()
    }

    /// All circles that the cheapest entries make.
    fn circles(&self, entries: &[Option<usize>]) -> Vec<Vec<usize>> {
        let mut circles = Vec::new();
        // In which walk a vertex was met first.
        let mut met: Vec<Option<usize>> = vec![None; entries.len()];
        for start in 0..entries.len() {
            let mut walked = Vec::new();
            let mut next = Some(start);
            while let Some(vertex) = next {
                let Some(mark) = met.get_mut(vertex) else {
                    break;
                };
                if mark.is_some() {
                    if *mark == Some(start)
                        && let Some(from) = walked.iter().position(|passed| *passed == vertex)
                    {
                        circles.push(walked.split_off(from));
                    }
                    break;
                }
                *mark = Some(start);
                walked.push(vertex);
                next = entries
                    .get(vertex)
                    .copied()
                    .flatten()
                    .and_then(|entry| self.tail(entry));
            }
        }
        circles
    }

    /// Draws each circle together.
    fn contract(&mut self, entries: &[Option<usize>], circles: &[Vec<usize>]) -> Option<()> {
        // What reached each vertex of a circle, which whoever enters it elsewhere saves.
        let mut saved = vec![0; entries.len()];
        for circle in circles {
            let new = self.into.len();
            self.into.push(new);
            self.within.push(None);
            for vertex in circle {
                let entry = entries.get(*vertex).copied().flatten()?;
                *self.into.get_mut(*vertex)? = new;
                *self.within.get_mut(*vertex)? = Some(entry);
                *saved.get_mut(*vertex)? = *self.left.get(entry)?;
            }
            self.members.push(circle.clone());
        }
        for (edge, left) in self.edges.iter().zip(&mut self.left) {
            if let Some(head) = self.top.get(edge.to) {
                *left = left.saturating_sub(*saved.get(*head)?);
            }
        }
        for top in &mut self.top {
            *top = *self.into.get(*top)?;
        }
        Some(())
    }

    /// Takes the circles apart, the last first: each keeps its edges but the one into the vertex by which it is entered.
    fn unfold(&self, entries: &[Option<usize>]) -> Option<Vec<Option<usize>>> {
        let mut reached = entries.to_vec();
        for (number, circle) in self.members.iter().enumerate().rev() {
            let whole = self.count + number;
            let entry = reached.get(whole).copied().flatten()?;
            let mut entered = self.edges.get(entry)?.to;
            while *self.into.get(entered)? != whole {
                entered = *self.into.get(entered)?;
            }
            for vertex in circle {
                *reached.get_mut(*vertex)? = if *vertex == entered {
                    Some(entry)
                } else {
                    self.within.get(*vertex).copied().flatten()
                };
            }
        }
        reached.truncate(self.count);
        Some(reached)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The least cost over every way to give each vertex but the root one edge, such that all are reached.
    fn brute(count: usize, root: usize, edges: &[Edge]) -> Option<u64> {
        fn try_all(
            vertex: usize,
            root: usize,
            edges: &[Edge],
            parents: &mut Vec<usize>,
            cost: u64,
            best: &mut Option<u64>,
        ) {
            if vertex == parents.len() {
                let reaches = |start: usize| {
                    let mut here = start;
                    for _ in 0..parents.len() {
                        here = if here == root { root } else { parents[here] };
                    }
                    here == root
                };
                if (0..parents.len()).all(reaches) && best.is_none_or(|best| cost < best) {
                    *best = Some(cost);
                }
                return;
            }
            if vertex == root {
                return try_all(vertex + 1, root, edges, parents, cost, best);
            }
            for edge in edges.iter().filter(|edge| edge.to == vertex) {
                parents[vertex] = edge.from;
                try_all(vertex + 1, root, edges, parents, cost + edge.cost, best);
            }
        }
        let mut best = None;
        try_all(0, root, edges, &mut vec![root; count], 0, &mut best);
        best
    }

    /// What the answer costs, having made sure that it is an arborescence.
    fn cost(count: usize, root: usize, edges: &[Edge], answer: &[Option<usize>]) -> u64 {
        assert_eq!(answer.len(), count);
        assert_eq!(answer[root], None);
        for start in 0..count {
            let mut here = start;
            for _ in 0..count {
                if here != root {
                    let edge = edges[answer[here].expect("every vertex is reached")];
                    assert_eq!(edge.to, here);
                    here = edge.from;
                }
            }
            assert_eq!(here, root, "{start} hangs in a circle");
        }
        answer.iter().flatten().map(|edge| edges[*edge].cost).sum()
    }

    fn graph() -> impl Strategy<Value = (usize, usize, Vec<Edge>)> {
        (1..=6_usize).prop_flat_map(|count| {
            let edge = (0..count, 0..count, 0..12_u64);
            let edges = prop::collection::vec(edge, 0..16).prop_map(|edges| {
                let edge = |(from, to, cost)| Edge { from, to, cost };
                edges.into_iter().map(edge).collect()
            });
            (Just(count), 0..count, edges)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn it_costs_as_little_as_the_best_of_all_arborescences((count, root, edges) in graph()) {
            let answer = arborescence(count, root, &edges);
            let found = answer.map(|answer| cost(count, root, &edges, &answer));
            prop_assert_eq!(found, brute(count, root, &edges));
        }
    }

    #[test]
    fn circles_in_circles_are_taken_apart() {
        // 1 and 2 reach each other for nothing, that circle and 3 for 1, and those and 4 for 2: the root is far from all.
        let edges: Vec<Edge> = [
            (1, 2, 0),
            (2, 1, 0),
            (2, 3, 1),
            (3, 1, 1),
            (3, 4, 2),
            (4, 2, 2),
            (0, 1, 100),
            (0, 4, 90),
        ]
        .map(|(from, to, cost)| Edge { from, to, cost })
        .to_vec();
        let answer = arborescence(5, 0, &edges).expect("all are reached");
        assert_eq!(cost(5, 0, &edges, &answer), 93);
    }

    #[test]
    fn vertices_that_do_not_exist_are_not_walked_to() {
        let edges = [
            Edge {
                from: 0,
                to: 9,
                cost: 0,
            },
            Edge {
                from: 9,
                to: 1,
                cost: 0,
            },
            Edge {
                from: 0,
                to: 1,
                cost: u64::MAX,
            },
        ];
        assert_eq!(arborescence(2, 0, &edges), Some(vec![None, Some(2)]));
        assert_eq!(arborescence(2, 5, &edges), None);
        assert_eq!(arborescence(0, 0, &[]), None);
        assert_eq!(arborescence(3, 0, &edges), None);
    }

    #[test]
    fn thousands_of_vertices_take_no_time_to_speak_of() {
        // A chain of circles, each a little dearer than the one within: the worst for contraction.
        let count = 2000;
        let mut edges = vec![Edge {
            from: 0,
            to: 1,
            cost: 1 << 30,
        }];
        for vertex in 1..count - 1 {
            let cost = vertex as u64;
            edges.push(Edge {
                from: vertex,
                to: vertex + 1,
                cost,
            });
            edges.push(Edge {
                from: vertex + 1,
                to: vertex,
                cost,
            });
        }
        let answer = arborescence(count, 0, &edges).expect("all are reached");
        let expected = (1 << 30) + (1..count as u64 - 1).sum::<u64>();
        assert_eq!(cost(count, 0, &edges, &answer), expected);
    }
}
