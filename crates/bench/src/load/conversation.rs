//! Load whose requests follow from the answers before: a refresh token that each use replaces, a code from a redirect.

use std::time::Instant;

use anyhow::Result;
use futures::future::join_all;

use super::{Connection, FAILURES_MAX, Outcome, REQUEST_TIMEOUT, Shape, Target};

/// What one connection does, again and again.
pub(crate) trait Conversation {
    /// One turn: some requests, each after the answer of the one before. Its latency is that of all of them; `false` when
    /// there is nothing left to do.
    async fn turn(&mut self, connection: &mut Connection) -> Result<bool>;
}

/// Runs the conversations, each on a connection of its own, until the time is over; one thread has them all. The
/// outcome counts turns, not bytes.
pub(crate) fn converse<C: Conversation>(
    target: &Target,
    shape: Shape,
    conversations: &mut [C],
) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let started = Instant::now();
    let outcomes = runtime.block_on(join_all(
        conversations
            .iter_mut()
            .take(shape.concurrency)
            .map(|conversation| keep_going(target, started + shape.duration, conversation)),
    ));
    let mut total = Outcome { elapsed: started.elapsed(), ..Outcome::default() };
    for outcome in outcomes {
        total.add(outcome?);
    }
    total.latencies_us.sort_unstable();
    Ok(total)
}

async fn keep_going<C: Conversation>(
    target: &Target,
    deadline: Instant,
    conversation: &mut C,
) -> Result<Outcome> {
    let mut outcome = Outcome { latencies_us: Vec::with_capacity(64 * 1024), ..Outcome::default() };
    let mut connection = Connection::open(target).await?;
    while Instant::now() < deadline && outcome.failures.len() < FAILURES_MAX {
        let started = Instant::now();
        let turn = tokio::time::timeout(REQUEST_TIMEOUT, conversation.turn(&mut connection)).await;
        let latency = started.elapsed();
        match turn {
            Ok(Ok(true)) => {
                outcome.latencies_us.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
            }
            Ok(Ok(false)) => break,
            Ok(Err(error)) => outcome.failures.push(format!("{error:#}")),
            Err(_) => {
                outcome.failures.push("timed out".to_owned());
                connection = Connection::open(target).await?;
            }
        }
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anyhow::ensure;

    use super::*;
    use crate::load::{Request, tests::target};

    /// Sends what it was answered, until that is long enough: the server answers with the length of what it got.
    struct Echo {
        sent: usize,
        until: usize,
    }

    impl Conversation for Echo {
        async fn turn(&mut self, connection: &mut Connection) -> Result<bool> {
            if self.sent == self.until {
                return Ok(false);
            }
            let body = "x".repeat(self.sent).into();
            let request = Request::post("/".into(), "text/plain", "*/*", vec![body]);
            let answer = connection.send_and_keep(request).await?;
            let length: usize = String::from_utf8(answer.body)?.parse()?;
            self.sent = length + 1;
            ensure!(self.sent != 3, "the third is refused");
            Ok(true)
        }
    }

    #[test]
    fn each_turn_goes_on_from_the_answer_before() {
        let mut conversations = [Echo { sent: 1, until: 2 }, Echo { sent: 4, until: 9 }];
        let shape = Shape { concurrency: 2, threads: 1, duration: Duration::from_mins(1) };
        let outcome = converse(&target(), shape, &mut conversations).unwrap();
        assert_eq!(outcome.latencies_us.len(), 6);
        assert!(outcome.failures.is_empty());
        let mut failing = [Echo { sent: 2, until: 4 }];
        let outcome = converse(&target(), shape, &mut failing).unwrap();
        assert_eq!((outcome.latencies_us.len(), outcome.failures.len()), (1, 1));
    }
}
