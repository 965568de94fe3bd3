// SPDX-License-Identifier: Apache-2.0
//! Dates and times of FAT: local time without a zone, taken as UTC; even
//! seconds from 1980 to 2107.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 1980-01-01 and 2107-12-31, 23:59:58, in seconds of Unix time.
const FIRST: u64 = 315_532_800;
const LAST: u64 = 4_354_819_198;
const DAY: u64 = 86_400;

/// A date and a time as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) date: u16,
    pub(super) time: u16,
}

impl Stamp {
    /// The nearest stamp not after a moment.
    pub(super) fn at(moment: SystemTime) -> Self {
        let seconds = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = seconds.as_secs().clamp(FIRST, LAST);
        let (year, month, day) = civil(seconds / DAY);
        let of_day = seconds % DAY;
        let (hour, minute) = (of_day / 3600, of_day / 60 % 60);
        let even = of_day % 60 / 2;
        let date = (year.saturating_sub(1980) << 9) | (month << 5) | day;
        let time = (hour << 11) | (minute << 5) | even;
        Self {
            date: u16::try_from(date).unwrap_or(u16::MAX),
            time: u16::try_from(time).unwrap_or(u16::MAX),
        }
    }

    /// The moment; for a date that does not exist, the first there is.
    pub(super) fn moment(self) -> SystemTime {
        let (date, time) = (u64::from(self.date), u64::from(self.time));
        let (month, day) = (date >> 5 & 15, date & 31);
        let seconds = if (1..=12).contains(&month) && day > 0 {
            let days = days((date >> 9) + 1980, month, day);
            let hours = (time >> 11).min(23);
            let minutes = (time >> 5 & 63).min(59);
            let even = (time & 31).min(29) * 2;
            days * DAY + hours * 3600 + minutes * 60 + even
        } else {
            FIRST
        };
        UNIX_EPOCH + Duration::from_secs(seconds)
    }
}

/// Days from 1970-01-01 to a date, counted in years that begin in March, so
/// that the leap day is the last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = match month {
        3.. => (year, month - 3),
        _ => (year - 1, month + 9),
    };
    let leaps = year / 4 - year / 100 + year / 400;
    let before_month = (153 * month + 2) / 5;
    // Of 1970-01-01, counted the same way.
    const EPOCH: u64 = 719_468;
    365 * year + leaps + before_month + day - 1 - EPOCH
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil(count: u64) -> (u64, u64, u64) {
    let mut year = 1970 + count / 366;
    while days(year + 1, 1, 1) <= count {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days(year, month + 1, 1) <= count {
        month += 1;
    }
    (year, month, count - days(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Stamp {
        Stamp::at(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// Fields of a stamp: year, month, day, hour, minute, second.
    fn fields(stamp: Stamp) -> [u16; 6] {
        let Stamp { date, time } = stamp;
        [
            (date >> 9) + 1980,
            date >> 5 & 15,
            date & 31,
            time >> 11,
            time >> 5 & 63,
            (time & 31) * 2,
        ]
    }

    #[test]
    fn known_moments() {
        // `date -u -d @N '+%Y %m %d %H %M %S'`.
        for (seconds, expected) in [
            (0, [1980, 1, 1, 0, 0, 0]),
            (951_782_400, [2000, 2, 29, 0, 0, 0]),
            (951_868_799, [2000, 2, 29, 23, 59, 58]),
            (1_735_689_599, [2024, 12, 31, 23, 59, 58]),
            (1_735_689_600, [2025, 1, 1, 0, 0, 0]),
            (4_107_542_400, [2100, 3, 1, 0, 0, 0]),
            (4_107_542_399, [2100, 2, 28, 23, 59, 58]),
            (u64::from(u32::MAX) * 4, [2107, 12, 31, 23, 59, 58]),
        ] {
            assert_eq!(fields(at(seconds)), expected, "{seconds}");
        }
    }

    #[test]
    fn every_day_and_back() {
        for day in FIRST / DAY..=LAST / DAY {
            let seconds = day * DAY + day % DAY / 2 * 2;
            let moment = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(Stamp::at(moment).moment(), moment);
        }
    }

    #[test]
    fn impossible_dates_do_no_harm() {
        for date in 0..=u16::MAX {
            let stamp = Stamp { date, time: !date };
            let back = Stamp::at(stamp.moment());
            assert!((1..=12).contains(&(back.date >> 5 & 15)));
        }
    }
}
