use std::collections::BTreeSet;

use model_sqs as model;

use super::bench::{Bench, bodies};

/// More than the window of a standard queue has.
const MESSAGES: usize = 5_200;

async fn fill(bench: &Bench, url: &str, groups: Option<usize>) {
    for batch in 0..MESSAGES / 10 {
        let entries = (0..10).map(|n| {
            let number = batch * 10 + n;
            model::SendMessageBatchRequestEntry {
                id: n.to_string(),
                message_body: number.to_string(),
                message_group_id: groups.map(|groups| format!("g{}", number % groups)),
                message_deduplication_id: groups.map(|_| number.to_string()),
                ..Default::default()
            }
        });
        let input = model::SendMessageBatchRequest { queue_url: url.into(), entries: entries.collect() };
        bench.call::<model::SendMessageBatch>(input).await.expect("sent");
    }
}

async fn drain(bench: &Bench, url: &str) -> Vec<usize> {
    let mut all = Vec::new();
    loop {
        let messages = bench.receive(url, 10).await;
        if messages.is_empty() {
            return all;
        }
        all.extend(bodies(&messages).iter().map(|body| body.parse::<usize>().expect("a number")));
        for message in &messages {
            bench.delete(url, message).await.expect("deleted");
        }
    }
}

#[tokio::test]
async fn a_queue_longer_than_its_window_is_received_whole() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[]).await;
    fill(&bench, &url, None).await;
    assert_eq!(bench.counts(&url).await, [MESSAGES as u64, 0, 0]);
    // Some are in flight while the window moves on, and come back.
    let first: Vec<usize> = bench.bodies(&url, 10).await.iter().map(|body| body.parse().expect("a number")).collect();
    let rest = drain(&bench, &url).await;
    assert_eq!(first.len() + rest.len(), MESSAGES);
    assert!(rest.is_sorted());
    assert_eq!(bench.counts(&url).await, [0, 10, 0]);
    bench.advance(30);
    let back: BTreeSet<usize> = drain(&bench, &url).await.into_iter().collect();
    assert_eq!(back, first.into_iter().collect());
    assert_eq!(bench.counts(&url).await, [0, 0, 0]);
    assert!(!bench.rows().await.iter().any(|row| row.contains("/a/") || row.contains("/m/")));
}

#[tokio::test]
async fn a_long_queue_is_found_whole_after_a_restart() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[("VisibilityTimeout", "600")]).await;
    fill(&bench, &url, None).await;
    let held = bench.receive(&url, 10).await;
    let bench = bench.restart().await;
    let [visible, in_flight, _] = bench.counts(&url).await;
    assert_eq!(in_flight, 10);
    assert!(visible.abs_diff(MESSAGES as u64 - 10) <= 266, "{visible}");
    for message in &held {
        bench.delete(&url, message).await.expect("deleted");
    }
    assert_eq!(drain(&bench, &url).await.len(), MESSAGES - 10);
    assert_eq!(bench.counts(&url).await, [0, 0, 0]);
}

#[tokio::test]
async fn a_handle_works_beyond_the_window() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[("VisibilityTimeout", "600")]).await;
    fill(&bench, &url, None).await;
    let held = bench.receive(&url, 2).await;
    // Once its timeout is over the message stands at the end of the queue.
    bench.advance(600);
    let bench = bench.restart().await;
    bench.delete(&url, &held[0]).await.expect("deleted");
    bench.change(&url, &held[1], 0).await.expect("changed");
    let all: BTreeSet<usize> = drain(&bench, &url).await.into_iter().collect();
    assert_eq!(all.len(), MESSAGES - 1);
    assert!(!all.contains(&0) && all.contains(&1));
}

#[tokio::test]
async fn a_long_fifo_queue_keeps_the_order_of_its_groups() {
    const GROUPS: usize = 7;
    let bench = Bench::new().await;
    let url = bench.create("q.fifo", &[]).await;
    fill(&bench, &url, Some(GROUPS)).await;
    let bench = bench.restart().await;
    let all = drain(&bench, &url).await;
    assert_eq!(all.len(), MESSAGES);
    for group in 0..GROUPS {
        assert!(all.iter().filter(|number| *number % GROUPS == group).is_sorted());
    }
}
