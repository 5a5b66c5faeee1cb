//! Names that are nearly another: what to ask when nothing bears the name that was typed.

/// The one of `names` that is nearest to `typed`, if one is near: at most a third of its letters typed wrongly.
pub(super) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed: Vec<char> = typed.to_lowercase().chars().take(LONGEST).collect();
    let most = (typed.len() / 3).max(1);
    names
        .filter_map(|name| {
            let letters: Vec<char> = name.to_lowercase().chars().take(LONGEST).collect();
            if letters.len().abs_diff(typed.len()) > most {
                return None;
            }
            Some((distance(&typed, &letters), name))
        })
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, name)| name)
}

/// Most letters that are compared.
const LONGEST: usize = 128;

/// How many letters must be put in, taken out, exchanged or swapped with their neighbour to make one of the other.
fn distance(one: &[char], other: &[char]) -> usize {
    let width = other.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut above: Vec<usize> = (0..width).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut here = vec![row + 1];
        for (column, (there, corner)) in other
            .iter()
            .zip(above.iter().zip(above.iter().skip(1)))
            .enumerate()
        {
            let (diagonal, up) = corner;
            let left = here.last().copied().unwrap_or_default();
            let mut least = (diagonal + usize::from(letter != there))
                .min(up + 1)
                .min(left + 1);
            let is_swapped = row > 0
                && column > 0
                && one.get(row - 1) == Some(there)
                && other.get(column - 1) == Some(letter);
            if is_swapped && let Some(two_before) = before.get(column - 1) {
                least = least.min(two_before + 1);
            }
            here.push(least);
        }
        before = std::mem::replace(&mut above, here);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_forgiven() {
        let names = ["win11-2610", "win11-2611", "debian-13", "golden"];
        let near = |typed| nearest(typed, names.into_iter());
        assert_eq!(near("win11-261O"), Some("win11-2610"));
        assert_eq!(near("GOLDNE"), Some("golden"));
        assert_eq!(near("gloden"), Some("golden"));
        assert_eq!(near("debain13"), Some("debian-13"));
        assert_eq!(near("fedora"), None);
        assert_eq!(near(""), None);
    }

    #[test]
    fn distances_are_counted_in_slips() {
        let distance = |one: &str, other: &str| {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            distance(&letters(one), &letters(other))
        };
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("abc", "ab"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
