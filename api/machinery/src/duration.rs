//! Ages as `kubectl get` shows them: `5s`, `3m20s`, `2d3h`.

const SECONDS_A_MINUTE: i64 = 60;
const SECONDS_AN_HOUR: i64 = 60 * SECONDS_A_MINUTE;
const SECONDS_A_DAY: i64 = 24 * SECONDS_AN_HOUR;

/// A duration in two units at most, coarser the longer it is (upstream's `duration.HumanDuration`).
pub fn human(seconds: i64) -> String {
    // Clocks differ; a little before now is now.
    if seconds < -1 {
        return "<invalid>".into();
    }
    if seconds < 0 {
        return "0s".into();
    }
    if seconds < 2 * SECONDS_A_MINUTE {
        return format!("{seconds}s");
    }
    let minutes = seconds / SECONDS_A_MINUTE;
    if minutes < 10 {
        return two(minutes, "m", seconds % SECONDS_A_MINUTE, "s");
    }
    if minutes < 3 * 60 {
        return format!("{minutes}m");
    }
    let hours = seconds / SECONDS_AN_HOUR;
    if hours < 8 {
        return two(hours, "h", minutes % 60, "m");
    }
    if hours < 48 {
        return format!("{hours}h");
    }
    let days = seconds / SECONDS_A_DAY;
    if days < 8 {
        return two(days, "d", hours % 24, "h");
    }
    if days < 2 * 365 {
        return format!("{days}d");
    }
    let years = days / 365;
    if years < 8 { two(years, "y", days % 365, "d") } else { format!("{years}y") }
}

/// The age of an RFC 3339 timestamp; `<unknown>` if there is none (upstream's `translateTimestampSince`).
pub fn age(timestamp: &str, now_seconds: i64) -> String {
    match crate::time::parse_seconds(timestamp) {
        Some(then) => human(now_seconds - then),
        None => "<unknown>".into(),
    }
}

fn two(large: i64, large_unit: &str, small: i64, small_unit: &str) -> String {
    if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit}{small}{small_unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_coarser_the_longer_they_are() {
        let cases = [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (1, "1s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (599, "9m59s"),
            (600, "10m"),
            (179 * 60 + 59, "179m"),
            (180 * 60, "3h"),
            (3 * 3600 + 60, "3h1m"),
            (8 * 3600 - 1, "7h59m"),
            (8 * 3600 + 1800, "8h"),
            (47 * 3600 + 3599, "47h"),
            (48 * 3600, "2d"),
            (51 * 3600, "2d3h"),
            (8 * 86400 - 1, "7d23h"),
            (8 * 86400, "8d"),
            (729 * 86400, "729d"),
            (730 * 86400, "2y"),
            (731 * 86400, "2y1d"),
            (8 * 365 * 86400, "8y"),
        ];
        for (seconds, want) in cases {
            assert_eq!(human(seconds), want, "{seconds}");
        }
        assert_eq!(age("1970-01-01T00:00:10Z", 15), "5s");
        assert_eq!(age("", 15), "<unknown>");
    }
}
