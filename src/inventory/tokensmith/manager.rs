//! Which request when: keeping a token that is good for a while.

use std::time::Duration;

use tokio::sync::Mutex;

use super::super::backoff::Backoff;
use super::exchange::{Exchange, ExchangeError, Granted, is_usable};
use super::lifetime::{Clock, Lifetime, Moment};
use crate::settings::TokenSmithSettings;
use crate::types::Secret;

/// TokenSmith gives no token, and SMD must not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("TokenSmith gives none: {reason}")]
pub struct TokenError {
    reason: String,
    /// Whether files of ours are named in it.
    names_files: bool,
}

impl TokenError {
    fn new(error: &ExchangeError) -> Self {
        Self { reason: error.to_string(), names_files: matches!(error, ExchangeError::Files(_)) }
    }

    /// What may be said to anybody who asks.
    #[must_use]
    pub fn for_outsiders(&self) -> String {
        match self.names_files {
            true => "TokenSmith gives none: our own files cannot be used; the log says why".to_owned(),
            false => self.to_string(),
        }
    }
}

/// How TokenSmith is asked.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// For one request as a whole: 10 s, as OpenCHAMI's own client.
    pub timeout: Duration,
    /// How often a token is tried to be had before that is given up: 5 times, with 1 to 15 s in between.
    pub backoff: Backoff,
    /// After that, how long TokenSmith is left alone before each further attempt: 30 s, doubled up to 5 minutes. Until
    /// then there is no token.
    pub slow: Backoff,
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            timeout: seconds(10),
            backoff: Backoff { attempts: 5, first: seconds(1), longest: seconds(15) },
            slow: Backoff { attempts: 1, first: seconds(30), longest: seconds(300) },
        }
    }
}

/// Tokens of TokenSmith, renewed in time.
#[derive(Debug)]
pub struct TokenSmith {
    settings: TokenSmithSettings,
    pace: Pace,
    clock: Clock,
    /// Held while a token is renewed, so that there is one renewal at a time and everybody gets what it brings.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    access: Option<Held>,
    refresh: Option<Held>,
    given_up: Option<GivenUp>,
    /// Whether the bootstrap token has brought tokens. It works once, and failed exchanges are counted against us.
    bootstrap_is_spent: bool,
}

/// A token and how long it is good for.
#[derive(Clone, Debug)]
struct Held {
    token: Secret,
    lifetime: Lifetime,
}

/// No token could be had.
#[derive(Debug)]
struct GivenUp {
    error: TokenError,
    /// How many times in a row.
    times: u32,
    /// How long TokenSmith is left alone.
    rest: Lifetime,
}

impl Held {
    fn is_good(&self, now: Moment) -> bool {
        !self.lifetime.left(now).is_zero()
    }
}

impl TokenSmith {
    /// One that has not asked yet.
    #[must_use]
    pub fn new(settings: TokenSmithSettings) -> Self {
        Self::with(settings, Pace::default(), Clock::default())
    }

    /// As [`TokenSmith::new`], with another pace and clock.
    #[must_use]
    pub fn with(settings: TokenSmithSettings, pace: Pace, clock: Clock) -> Self {
        Self { settings, pace, clock, state: Mutex::default() }
    }

    /// A token that is good for now. One that is about to end is renewed first; while that does not work it is used to
    /// its end, and not a moment longer.
    ///
    /// # Errors
    /// When there is none to be had. SMD must not be asked then, and least of all with another token.
    pub async fn token(&self) -> Result<Secret, TokenError> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        if let Some(held) = state.access.as_ref().filter(|held| held.lifetime.left(now) > self.skew(held)) {
            return Ok(held.token.clone());
        }
        let is_resting = state.given_up.as_ref().is_some_and(|given_up| !given_up.rest.left(now).is_zero());
        if !is_resting {
            self.renew(&mut state).await;
        }
        let now = self.clock.now();
        match (&state.access, &state.given_up) {
            (Some(held), _) if held.is_good(now) => Ok(held.token.clone()),
            (_, Some(given_up)) => Err(given_up.error.clone()),
            _ => {
                let reason = "its token has ended before it could be used; see whether the clocks agree".to_owned();
                Err(TokenError { reason, names_files: false })
            }
        }
    }

    /// Says that a service did not take a token, so that the next one is another.
    pub async fn reject(&self, token: &Secret) {
        let mut state = self.state.lock().await;
        if state.access.as_ref().is_some_and(|held| held.token == *token) {
            state.access = None;
        }
    }

    /// How long before its end a token is renewed; less for one that does not last much longer than that.
    fn skew(&self, held: &Held) -> Duration {
        self.settings.refresh_skew.min(held.lifetime.length() / 2)
    }

    /// Tries to get tokens, several times if that may help. Whatever comes of it stands in the state.
    async fn renew(&self, state: &mut State) {
        let before = state.given_up.as_ref().map(|given_up| given_up.times);
        // Who has given up asks once at a time.
        let attempts = if before.is_some() { Backoff { attempts: 1, ..self.pace.backoff } } else { self.pace.backoff };
        let mut attempt = 0;
        let error = loop {
            let error = match self.attempt(state).await {
                Ok(()) => {
                    if before.is_some() {
                        tracing::info!("TokenSmith gives tokens again");
                    }
                    state.given_up = None;
                    return;
                }
                Err(error) => error,
            };
            tracing::debug!(%error, attempt, "TokenSmith gave no token");
            if !error.is_passing() || attempts.is_last(attempt) {
                break error;
            }
            tokio::time::sleep(attempts.rest(attempt)).await;
            attempt += 1;
        };
        let times = before.map_or(0, |times| times.saturating_add(1));
        if before.is_none() {
            tracing::warn!(%error, "TokenSmith gives no token; it is asked again, slowly");
        }
        state.given_up = Some(GivenUp {
            error: TokenError::new(&error),
            times,
            rest: Lifetime::new(self.clock.now(), self.pace.slow.rest(times)),
        });
    }

    /// One attempt: by refreshing, else by the certificate or the bootstrap token.
    async fn attempt(&self, state: &mut State) -> Result<(), ExchangeError> {
        let exchange = Exchange { settings: &self.settings, timeout: self.pace.timeout };
        let asked_at = self.clock.now();
        let granted = match self.by_refreshing(&exchange, state, asked_at).await? {
            Some(granted) => granted,
            None => self.by_credentials(&exchange, state).await?,
        };
        self.keep(state, granted, asked_at);
        Ok(())
    }

    /// Refreshes; `None` when that is no longer possible and other ways have to be tried.
    async fn by_refreshing(
        &self,
        exchange: &Exchange<'_>,
        state: &mut State,
        asked_at: Moment,
    ) -> Result<Option<Granted>, ExchangeError> {
        let has_identity = self.settings.identity.as_ref().is_some_and(is_usable);
        // With an identity, a refresh token is taken out, so that it is not sent again even if whoever waits for the
        // answer stops waiting. Without one it is all that there is: it stays until TokenSmith says that it is worth
        // nothing, and our clocks do not decide about it.
        let refresh =
            if has_identity { state.refresh.take_if(|held| held.is_good(asked_at)) } else { state.refresh.clone() };
        let Some(held) = refresh else { return Ok(None) };
        let refused = match exchange.refresh(&held.token).await {
            Ok(granted) => return Ok(Some(granted)),
            Err(refused) => refused,
        };
        let is_kept = match has_identity {
            true => refused.is_passing() && !refused.leaves_doubt(),
            false => !refused.is_invalid_grant(),
        };
        if is_kept {
            state.refresh = Some(held);
            return Err(refused);
        }
        state.refresh = None;
        tracing::info!(error = %refused, "the tokens can no longer be refreshed; new ones are asked for");
        Ok(None)
    }

    /// Begins anew: a session by the certificate, else by the bootstrap token.
    async fn by_credentials(&self, exchange: &Exchange<'_>, state: &mut State) -> Result<Granted, ExchangeError> {
        let mut hindrance = None;
        if let Some(files) = &self.settings.identity {
            match exchange.session(files).await {
                Err(refused) if !refused.is_passing() => hindrance = Some(refused),
                result => return result,
            }
        }
        let Some(token) = self.settings.bootstrap_token.as_ref().filter(|_| !state.bootstrap_is_spent) else {
            return Err(hindrance.unwrap_or(ExchangeError::Spent));
        };
        if let Some(error) = &hindrance {
            tracing::warn!(%error, "no session can be had from TokenSmith; the bootstrap token is used");
        }
        match exchange.bootstrap(token).await {
            Ok(granted) => {
                state.bootstrap_is_spent = true;
                Ok(granted)
            }
            Err(refused) if refused.is_passing() => Err(refused),
            // What hinders a session can be mended, other than a bootstrap token.
            Err(refused) => Err(hindrance.unwrap_or(refused)),
        }
    }

    /// Keeps what was granted. Lifetimes count from before the request: its answer may have been long on its way.
    fn keep(&self, state: &mut State, granted: Granted, asked_at: Moment) {
        let held = |token, length| Held { token, lifetime: Lifetime::new(asked_at, length) };
        state.access = Some(held(granted.access, granted.access_lifetime));
        state.refresh = granted.refresh.map(|(token, length)| held(token, length));
        tracing::debug!(
            seconds = granted.access_lifetime.as_secs(),
            target_service = self.settings.target_service,
            "TokenSmith gave a token"
        );
    }
}
