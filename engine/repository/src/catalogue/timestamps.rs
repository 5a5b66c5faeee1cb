//! Times as records write them: RFC 3339, UTC, to the second.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999, counted from 1970: the form has four digits for the year.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// The time to record, as `2026-11-24T12:37:14Z`: the one that is given, in seconds since 1970, else now. A time outside the years
/// 1970 to 9999 becomes the nearest one in them.
pub(super) fn recorded(given: Option<u64>) -> String {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH);
    let since = given.map_or_else(|| now().unwrap_or_default(), Duration::from_secs);
    let time = UNIX_EPOCH.checked_add(since.min(LAST));
    humantime::format_rfc3339_seconds(time.unwrap_or(UNIX_EPOCH)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_that_date_prints() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (253_402_300_800, "9999-12-31T23:59:59Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(recorded(Some(seconds)), text);
        }
    }

    #[test]
    fn a_time_that_is_not_given_is_now() {
        let before = recorded(Some(1_700_000_000));
        let now = recorded(None);
        let read = humantime::parse_rfc3339(&now).expect("as records write it");
        let age = SystemTime::now().duration_since(read).expect("not ahead");
        assert!(now > before && age < Duration::from_secs(60), "{now}");
    }
}
