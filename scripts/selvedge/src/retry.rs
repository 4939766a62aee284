//! `retryStrategy`: whether a pod is tried again, and how long to wait before.

use std::time::Duration;

use anyhow::Context as _;
use expr::{Context, Environment, Value};

use crate::phase::Phase;
use crate::yaml::pod::{RetryPolicy, RetryStrategy};

/// How an attempt ended.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Failed, or Errored where it could not even be started.
    pub phase: Phase,
    /// Its exit code; none where it could not be started.
    pub exit_code: Option<i32>,
    /// Why it ended.
    pub message: String,
    /// How long it took.
    pub seconds: f64,
}

impl RetryStrategy {
    /// How long to wait before the next attempt, where there is one, after attempt `number` from 0 ended as `last`.
    ///
    /// # Errors
    /// For a strategy that is not understood.
    pub fn next(&self, number: u32, last: &Attempt) -> anyhow::Result<Option<Duration>> {
        let limit = self.limit.as_ref().map(|limit| limit.0.parse::<u32>()).transpose();
        let limit = limit.context("retryStrategy.limit is no number")?;
        if limit.is_some_and(|limit| number >= limit) || !self.applies(last)? {
            return Ok(None);
        }
        self.wait(number).map(Some)
    }

    fn applies(&self, last: &Attempt) -> anyhow::Result<bool> {
        // As on Argo: an expression without a policy stands alone.
        let policy = self.retry_policy.unwrap_or(match self.expression {
            Some(_) => RetryPolicy::Always,
            None => RetryPolicy::OnFailure,
        });
        let policy = match policy {
            RetryPolicy::Always => true,
            RetryPolicy::OnFailure => last.phase == Phase::Failed,
            RetryPolicy::OnError => last.phase == Phase::Errored,
        };
        Ok(policy && self.expression.as_ref().map_or(Ok(true), |expression| holds(expression, last))?)
    }

    fn wait(&self, number: u32) -> anyhow::Result<Duration> {
        let Some(backoff) = &self.backoff else { return Ok(Duration::ZERO) };
        let factor = backoff.factor.as_ref().map_or(Ok(1), |factor| factor.0.parse::<u32>());
        let factor = factor.context("retryStrategy.backoff.factor is no number")?;
        let wait = duration(&backoff.duration)?.saturating_mul(factor.saturating_pow(number));
        let cap = backoff.cap.as_deref().map_or(Ok(Duration::MAX), duration)?;
        Ok(wait.min(cap))
    }
}

/// `30s`, `1m`, or seconds as a bare number.
fn duration(text: &str) -> anyhow::Result<Duration> {
    let bare = text.parse::<u64>().map(Duration::from_secs);
    bare.or_else(|_| humantime::parse_duration(text)).with_context(|| format!("{text:?} is no duration"))
}

fn holds(expression: &str, last: &Attempt) -> anyhow::Result<bool> {
    let exit_code = last.exit_code.unwrap_or(-1).to_string();
    let retry: Value = [
        ("status", last.phase.to_string()),
        ("exitCode", exit_code),
        ("message", last.message.clone()),
        ("duration", format!("{:.0}", last.seconds)),
    ]
    .into_iter()
    .collect();
    let mut context = Context::default();
    context.insert("lastRetry", retry);
    let mut environment = Environment::new();
    environment.add_function("asInt", |call| match call.args.as_slice() {
        [Value::String(text)] => text
            .parse::<i64>()
            .map(Value::Integer)
            .map_err(|_| expr::Error::ExprError(format!("asInt({text:?}): no number"))),
        [Value::Integer(number)] => Ok(Value::Integer(*number)),
        _ => Err(expr::Error::ExprError("asInt takes one text".to_owned())),
    });
    match environment.eval(expression, &context) {
        Ok(Value::Bool(holds)) => Ok(holds),
        Ok(other) => {
            anyhow::bail!("retryStrategy.expression {expression:?} gives {other}, neither true nor false")
        }
        Err(error) => anyhow::bail!("retryStrategy.expression {expression:?}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strategy(yaml: &str) -> RetryStrategy {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn ended(phase: Phase, exit_code: Option<i32>) -> Attempt {
        Attempt { phase, exit_code, message: String::new(), seconds: 0.1 }
    }

    const OURS: &str = "{limit: 3, retryPolicy: Always, backoff: {duration: 1s, factor: 2, cap: 3s}, \
        expression: \"lastRetry.status == 'Error' || asInt(lastRetry.exitCode) in [75, 137, 143]\"}";

    #[test]
    fn the_expression_of_the_templates_tells_what_is_worth_another_attempt() {
        let strategy = strategy(OURS);
        for (code, again) in [(75, true), (137, true), (143, true), (1, false), (2, false)] {
            let next = strategy.next(0, &ended(Phase::Failed, Some(code))).unwrap();
            assert_eq!(next.is_some(), again, "{code}");
        }
        assert!(strategy.next(0, &ended(Phase::Errored, None)).unwrap().is_some());
    }

    #[test]
    fn waits_grow_to_the_cap_and_attempts_end_at_the_limit() {
        let waits: Vec<_> =
            (0..4).map(|n| strategy(OURS).next(n, &ended(Phase::Failed, Some(75))).unwrap()).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(3), None].map(|seconds| seconds.map(Duration::from_secs)));
    }

    #[test]
    fn policies_without_expression() {
        let (failed, errored) = (ended(Phase::Failed, Some(1)), ended(Phase::Errored, None));
        for (policy, on_failed, on_errored) in
            [("", true, false), ("retryPolicy: OnError", false, true), ("retryPolicy: Always", true, true)]
        {
            let strategy = strategy(&format!("{{{policy}}}"));
            assert_eq!(strategy.next(9, &failed).unwrap().is_some(), on_failed, "{policy}");
            assert_eq!(strategy.next(9, &errored).unwrap().is_some(), on_errored, "{policy}");
        }
    }

    #[test]
    fn nonsense_is_named() {
        for (yaml, part) in [
            ("{limit: many}", "limit"),
            ("{expression: \"1 + 1\"}", "1 + 1"),
            ("{expression: \"lastRetry.\"}", "lastRetry."),
            ("{backoff: {duration: soon}}", "soon"),
        ] {
            let error = strategy(yaml).next(0, &ended(Phase::Failed, Some(1))).unwrap_err();
            assert!(format!("{error:#}").contains(part), "{yaml}: {error:#}");
        }
    }
}
