//! What a plain scalar is to PyYAML, and whether it can make a value of it.
//!
//! These are the patterns of `yaml.resolver` and the constructors of `yaml.constructor.SafeConstructor`, by hand: the
//! patterns decide by the looks, and the constructors then fail on some of what the patterns let through, such as the
//! month 13. Such a failure is a `ValueError` and loses the document like any other.

/// What a scalar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Nothing: empty, `~`, `null`.
    Null,
    /// A boolean: `true`, `yes`, `on` and their opposites in three spellings. `y` and `n` are texts.
    Bool,
    /// A whole number, in base 2, 8, 10, 16 or 60.
    Int,
    /// A number with a point, in base 10 or 60.
    Float,
    /// A date, maybe with a time.
    Timestamp,
    /// `<<`.
    Merge,
    /// `=`, which is a text as a key and refused elsewhere.
    Value,
    /// A text.
    Text,
}

const TRUE: [&str; 9] = ["yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"];
const FALSE: [&str; 9] = ["no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"];
/// Digits that Python turns into a number at most, since 3.11.
const MOST_DIGITS: usize = 4300;

/// What a plain scalar is.
pub(super) fn kind_of(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "<<" => Kind::Merge,
        "=" => Kind::Value,
        _ if truth(text).is_some() => Kind::Bool,
        // Everything else begins so; texts are told apart at once.
        _ if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) => Kind::Text,
        _ if is_float(text) => Kind::Float,
        _ if is_int(text) => Kind::Int,
        _ if Timestamp::parse(text, true).is_some() => Kind::Timestamp,
        _ => Kind::Text,
    }
}

/// What boolean this is.
pub(super) fn truth(text: &str) -> Option<bool> {
    if TRUE.contains(&text) {
        return Some(true);
    }
    FALSE.contains(&text).then_some(false)
}

/// Whether PyYAML can make a value of this kind of a scalar. It can of every text that only looks so.
pub(super) fn can_be_made(kind: Kind, text: &str) -> bool {
    match kind {
        Kind::Null | Kind::Text | Kind::Merge | Kind::Value => true,
        Kind::Bool => truth(&text.to_lowercase()).is_some(),
        Kind::Int => is_made_an_int(text),
        Kind::Float => is_made_a_float(text),
        Kind::Timestamp => Timestamp::parse(text, false).is_some_and(|timestamp| timestamp.is_possible()),
    }
}

/// A number in base 60, such as `12:30`.
pub(super) fn is_sexagesimal(text: &str) -> bool {
    text.contains(':') && matches!(kind_of(text), Kind::Int | Kind::Float)
}

/// A number in base 8, such as `0644`.
pub(super) fn is_octal(text: &str) -> bool {
    let digits = unsigned(text);
    digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7' | b'_'))
}

/// What YAML 1.2 calls a number and YAML 1.1 a text: `1e3` without sign or point, and `0o644`.
pub(super) fn is_number_elsewhere(text: &str) -> bool {
    if let Some(octal) = text.strip_prefix("0o") {
        return !octal.is_empty() && octal.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    }
    let Some((mantissa, exponent)) = unsigned(text).split_once(['e', 'E']) else { return false };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    is_digits(unsigned(exponent)) && is_digits(whole) && (fraction.is_empty() || is_digits(fraction))
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A digit, then digits and underscores.
fn is_grouped(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
}

/// `:` and numbers below 60, at least once.
fn are_sixtieths(text: &str) -> bool {
    let mut parts = text.split(':');
    parts.next() == Some("") && !text.is_empty() && parts.all(is_below_sixty)
}

fn is_below_sixty(text: &str) -> bool {
    is_digits(text) && (text.len() == 1 || (text.len() == 2 && text.as_bytes()[0] < b'6'))
}

fn is_int(text: &str) -> bool {
    let digits = unsigned(text);
    let only = |rest: &str, of: &str| !rest.is_empty() && rest.chars().all(|digit| digit == '_' || of.contains(digit));
    if let Some(rest) = digits.strip_prefix("0b") {
        return only(rest, "01");
    }
    if let Some(rest) = digits.strip_prefix("0x") {
        return only(rest, "0123456789abcdefABCDEF");
    }
    if let Some(rest) = digits.strip_prefix('0') {
        return rest.is_empty() || only(rest, "01234567");
    }
    let (first, rest) = digits.split_at(digits.find(':').unwrap_or(digits.len()));
    is_grouped(first) && (rest.is_empty() || are_sixtieths(rest))
}

fn is_float(text: &str) -> bool {
    let number = unsigned(text);
    if matches!(number, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let Some((before, after)) = number.split_once('.') else { return false };
    if let Some(colon) = before.find(':') {
        let (first, rest) = before.split_at(colon);
        return is_grouped(first) && are_sixtieths(rest) && after.bytes().all(is_digit_or_line);
    }
    let (fraction, exponent) = match after.find(['e', 'E']) {
        Some(position) => (&after[..position], Some(&after[position + 1..])),
        None => (after, None),
    };
    // The exponent needs its sign.
    let is_exponent = exponent.is_none_or(|exponent| exponent.starts_with(['-', '+']) && is_digits(&exponent[1..]));
    let is_number = match before {
        // A sign does not go with a missing zero.
        "" => text == number && is_grouped(fraction),
        _ => is_grouped(before) && fraction.bytes().all(is_digit_or_line),
    };
    is_exponent && is_number
}

const fn is_digit_or_line(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'_'
}

/// `int` takes no empty text, such as what is left of `0x_`, and no more than so many digits in base 10.
fn is_made_an_int(text: &str) -> bool {
    let plain = text.replace('_', "");
    let digits = unsigned(&plain);
    let of_base = |rest: &str, base| !rest.is_empty() && rest.chars().all(|digit| digit.is_digit(base));
    if let Some(rest) = digits.strip_prefix("0b") {
        return of_base(rest, 2);
    }
    if let Some(rest) = digits.strip_prefix("0x") {
        return of_base(rest, 16);
    }
    if digits.starts_with('0') {
        return of_base(digits, 8);
    }
    digits.split(':').all(|part| is_digits(part) && part.len() <= MOST_DIGITS)
}

fn is_made_a_float(text: &str) -> bool {
    let plain = text.replace('_', "").to_lowercase();
    let number = unsigned(&plain);
    let is_one = |part: &str| part.trim().parse::<f64>().is_ok();
    matches!(number, ".inf" | ".nan") || number.split(':').all(is_one)
}

/// The numbers of a timestamp.
struct Timestamp {
    date: [u32; 3],
    time: [u32; 3],
    /// Minutes that its zone is off.
    offset: u32,
}

impl Timestamp {
    /// Takes a text apart. As an untagged scalar, a date alone needs two digits for month and day.
    fn parse(text: &str, is_plain: bool) -> Option<Self> {
        let date_end = text.find(['T', 't', ' ', '\t']).unwrap_or(text.len());
        let (date, rest) = text.split_at(date_end);
        let parts: Vec<&str> = date.split('-').collect();
        let [year, month, day] = parts[..] else { return None };
        let is_short = |part: &str| part.len() == 2 || (part.len() == 1 && !(is_plain && rest.is_empty()));
        if year.len() != 4 || !is_short(month) || !is_short(day) {
            return None;
        }
        let date = [number(year)?, number(month)?, number(day)?];
        if rest.is_empty() {
            return Some(Self { date, time: [0; 3], offset: 0 });
        }
        let time = match rest.strip_prefix(['T', 't']) {
            Some(time) => time,
            None => rest.trim_start_matches([' ', '\t']),
        };
        let (time, offset) = Self::parse_time(time)?;
        Some(Self { date, time, offset })
    }

    fn parse_time(text: &str) -> Option<([u32; 3], u32)> {
        let end = text.find(|character: char| !(character.is_ascii_digit() || ":.".contains(character)));
        let (clock, zone) = text.split_at(end.unwrap_or(text.len()));
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let parts: Vec<&str> = clock.split(':').collect();
        let [hour, minute, second] = parts[..] else { return None };
        let is_well_formed = matches!(hour.len(), 1 | 2) && minute.len() == 2 && second.len() == 2;
        if !is_well_formed || !(fraction.is_empty() || is_digits(fraction)) {
            return None;
        }
        Some(([number(hour)?, number(minute)?, number(second)?], Self::parse_zone(zone)?))
    }

    fn parse_zone(text: &str) -> Option<u32> {
        let zone = text.trim_start_matches([' ', '\t']);
        if zone == "Z" || text.is_empty() {
            return Some(0);
        }
        let zone = zone.strip_prefix(['-', '+'])?;
        let (hours, minutes) = zone.split_once(':').unwrap_or((zone, "00"));
        let is_well_formed = matches!(hours.len(), 1 | 2) && minutes.len() == 2;
        if is_well_formed { Some(number(hours)? * 60 + number(minutes)?) } else { None }
    }

    /// Whether Python's calendar has it.
    fn is_possible(&self) -> bool {
        let [year, month, day] = self.date;
        let [hour, minute, second] = self.time;
        let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 => 28 + u32::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        year > 0
            && (1..=12).contains(&month)
            && (1..=days).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60
            && self.offset < 24 * 60
    }
}

fn number(digits: &str) -> Option<u32> {
    if is_digits(digits) { digits.parse().ok() } else { None }
}

/// The number that a scalar of [`Kind::Int`] is, if it fits.
pub(super) fn int_value(text: &str) -> Option<i64> {
    let plain = text.replace('_', "");
    let digits = unsigned(&plain);
    let of_base = |rest: &str, base| i64::from_str_radix(rest, base).ok();
    let value = if let Some(rest) = digits.strip_prefix("0b") {
        of_base(rest, 2)
    } else if let Some(rest) = digits.strip_prefix("0x") {
        of_base(rest, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        of_base(digits, 8)
    } else {
        digits.split(':').try_fold(0_i64, |sum, part| sum.checked_mul(60)?.checked_add(part.parse().ok()?))
    }?;
    Some(if plain.starts_with('-') { -value } else { value })
}

/// About the number that a scalar of [`Kind::Float`] is, or of [`Kind::Int`] if it does not fit.
pub(super) fn float_value(text: &str) -> f64 {
    let plain = text.replace('_', "").to_lowercase();
    let sign = if plain.starts_with('-') { -1.0 } else { 1.0 };
    let value = match unsigned(&plain) {
        ".inf" => f64::INFINITY,
        ".nan" => f64::NAN,
        digits => digits.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse().unwrap_or(0.0)),
    };
    sign * value
}
