//! Values that know where they came from.

use std::fmt;

/// Where a setting's value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line, with the flag's name.
    Flag(&'static str),
    /// The environment, with the variable's name.
    Environment(&'static str),
    /// The command line or the environment, with the names of the flag and of the variable that stands for it.
    FlagOrEnvironment(&'static str, &'static str),
    /// A settings file, with its name.
    File(String),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(formatter, "the flag {name}"),
            Self::Environment(name) => write!(formatter, "the environment variable {name}"),
            Self::FlagOrEnvironment(flag, variable) => {
                write!(formatter, "the flag {flag} or the environment variable {variable}")
            }
            Self::File(name) => write!(formatter, "{name}"),
            Self::Default => formatter.write_str("the default"),
        }
    }
}

/// A value and its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub source: Source,
}

impl<T> Sourced<T> {
    /// A value with its source.
    pub const fn new(value: T, source: Source) -> Self {
        Self { value, source }
    }

    /// The first that is there: what the command line or environment said, what the file said, the default.
    pub fn choose(given: Option<Self>, file: Option<T>, file_name: &str, default: impl FnOnce() -> T) -> Self {
        given
            .or_else(|| file.map(|value| Self::new(value, Source::File(file_name.to_owned()))))
            .unwrap_or_else(|| Self::new(default(), Source::Default))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_the_default() {
        let flag = || Some(Sourced::new(1, Source::Flag("--number")));
        assert_eq!(Sourced::choose(flag(), Some(2), "mds.toml", || 3).value, 1);
        let from_file = Sourced::choose(None, Some(2), "mds.toml", || 3);
        assert_eq!((from_file.value, from_file.source.to_string()), (2, "mds.toml".to_owned()));
        assert_eq!(Sourced::choose(None, None, "mds.toml", || 3), Sourced::new(3, Source::Default));
    }
}
