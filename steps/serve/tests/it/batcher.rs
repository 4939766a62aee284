//! The batcher alone, with models that do what a test needs.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use selvedge_data::Shape;
use selvedge_plan::Family;
use selvedge_serve::batcher::{Batcher, Failure, Limits};
use selvedge_serve::metrics::Metrics;
use selvedge_serve::network::{Loaded, Predictor, Serving};
use selvedge_store::Digest;

/// One byte a record; class = the byte. Says how many records each pass had, and waits for leave to end it.
struct Steered {
    passes: Sender<usize>,
    leave: Receiver<()>,
}

impl Predictor for Steered {
    fn probabilities(&mut self, records: &[u8]) -> anyhow::Result<Vec<f32>> {
        self.passes.send(records.len()).unwrap();
        self.leave.recv().unwrap();
        assert!(!records.contains(&9), "a record that breaks the model");
        Ok(records.iter().flat_map(|r| (0..10).map(move |class| f32::from(u8::from(class == *r)))).collect())
    }
}

const PIXEL: Shape = Shape { height: 1, width: 1, channels: 1 };
const NEVER: Duration = Duration::from_secs(3600);

fn steered(max_batch: usize, queue: usize) -> (Batcher, Receiver<usize>, Sender<()>) {
    let limits = Limits { max_batch, deadline: NEVER, queue };
    let batcher = Batcher::start(limits, Metrics::new().0).unwrap();
    let (passes, seen) = channel();
    let (allow, leave) = channel();
    batcher.swap(Loaded { network: Box::new(Steered { passes, leave }), serving: Arc::new(serving()) });
    (batcher, seen, allow)
}

fn serving() -> Serving {
    Serving {
        model: Digest::of("steered"),
        generation: 1,
        candidate: "steered".into(),
        family: Family::Dense,
        classes: (0..10).map(|n| n.to_string()).collect(),
        shape: PIXEL,
        accuracy: None,
        test_accuracy: None,
        since: jiff::Timestamp::UNIX_EPOCH,
    }
}

type Asked = tokio::task::JoinHandle<Result<Vec<usize>, Failure>>;

/// Queues a request of `records`, and returns once it is queued.
async fn ask(batcher: &Batcher, records: &'static [u8]) -> Asked {
    let (batcher, coming) = (batcher.clone(), batcher.coming());
    let (queued, is_queued) = tokio::sync::oneshot::channel();
    let asked = tokio::spawn(async move {
        let predicting = batcher.predict(Some(coming), Bytes::from_static(records), PIXEL);
        let mut predicting = std::pin::pin!(predicting);
        // The first poll queues it.
        let first = futures::poll!(predicting.as_mut());
        queued.send(()).unwrap();
        let answer = match first {
            std::task::Poll::Ready(answer) => answer,
            std::task::Poll::Pending => predicting.await,
        };
        answer.map(|answer| answer.predictions.iter().map(|p| p.class).collect())
    });
    is_queued.await.unwrap();
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_request_does_not_wait_for_company() {
    let (batcher, passes, allow) = steered(32, 8);
    allow.send(()).unwrap();
    let begin = Instant::now();
    assert_eq!(ask(&batcher, &[3]).await.await.unwrap().unwrap(), [3]);
    assert!(begin.elapsed() < Duration::from_secs(60), "the deadline is an hour");
    assert_eq!(passes.recv().unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_meanwhile_goes_together_and_everybody_gets_his_own() {
    let (batcher, passes, allow) = steered(4, 8);
    let first = ask(&batcher, &[1]).await;
    assert_eq!(passes.recv().unwrap(), 1);
    let (second, third) = (ask(&batcher, &[2]).await, ask(&batcher, &[3, 4]).await);
    // Larger than a pass: cut into passes, answered as one.
    let large = ask(&batcher, &[5, 6, 7, 8, 0]).await;
    for _ in 0..8 {
        allow.send(()).unwrap();
    }
    assert_eq!(first.await.unwrap().unwrap(), [1]);
    assert_eq!(second.await.unwrap().unwrap(), [2]);
    assert_eq!(third.await.unwrap().unwrap(), [3, 4]);
    assert_eq!(large.await.unwrap().unwrap(), [5, 6, 7, 8, 0]);
    drop(batcher);
    let sizes: Vec<_> = passes.iter().collect();
    assert!(sizes.iter().all(|size| *size <= 4) && sizes.len() < 4, "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_known_to_come_is_waited_for() {
    let (batcher, passes, allow) = steered(32, 8);
    let coming = batcher.coming();
    let early = ask(&batcher, &[1]).await;
    assert!(passes.recv_timeout(Duration::from_millis(100)).is_err(), "the batch did not wait");
    allow.send(()).unwrap();
    let late = batcher.predict(Some(coming), Bytes::from_static(&[2]), PIXEL).await.unwrap();
    assert_eq!((late.predictions[0].class, early.await.unwrap().unwrap()), (2, vec![1]));
    assert_eq!(passes.recv().unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_a_client_that_went_away_costs_nothing() {
    let (batcher, passes, allow) = steered(1, 2);
    let running = ask(&batcher, &[1]).await;
    assert_eq!(passes.recv().unwrap(), 1);
    let (gone, waiting) = (ask(&batcher, &[2]).await, ask(&batcher, &[3]).await);
    assert_eq!(ask(&batcher, &[4]).await.await.unwrap(), Err(Failure::Overloaded(2)));
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    allow.send(()).unwrap();
    allow.send(()).unwrap();
    assert_eq!(running.await.unwrap().unwrap(), [1]);
    assert_eq!(waiting.await.unwrap().unwrap(), [3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_panics_costs_its_batch_and_no_more() {
    let (batcher, _passes, allow) = steered(1, 2);
    allow.send(()).unwrap();
    assert_eq!(
        ask(&batcher, &[9]).await.await.unwrap(),
        Err(Failure::Inference("the model panicked".into()))
    );
    allow.send(()).unwrap();
    assert_eq!(ask(&batcher, &[1]).await.await.unwrap().unwrap(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_another_form_are_not_shown_to_the_model() {
    let (batcher, _passes, allow) = steered(4, 2);
    allow.send(()).unwrap();
    let other = Shape { width: 2, ..PIXEL };
    let answer = batcher.predict(None, Bytes::from_static(&[1, 2]), other).await;
    assert_eq!(answer.unwrap_err(), Failure::OtherForm(PIXEL));
    let none = Batcher::start(Limits { max_batch: 1, deadline: NEVER, queue: 1 }, Metrics::new().0).unwrap();
    let answer = none.predict(None, Bytes::from_static(&[1]), PIXEL).await;
    assert_eq!(answer.unwrap_err(), Failure::NoModel);
}
