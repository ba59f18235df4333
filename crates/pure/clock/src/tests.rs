use std::sync::mpsc;
use std::time::Duration;

use base::Timestamp;
use futures_executor::block_on;
use futures_util::future::join;

use crate::{Clock, Mode};

const START: Timestamp = Timestamp::from_secs(1_700_000_000);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn virtual_time_jumps_to_the_next_timer() {
    let clock = Clock::virtual_from(START);
    block_on(clock.sleep(HOUR));
    assert_eq!(clock.now(), START + HOUR);
}

#[test]
fn timers_fire_in_order_of_their_moments() {
    let clock = Clock::virtual_from(START);
    let seen = std::sync::Mutex::new(Vec::new());
    let wait = async |hours: u32| {
        clock.sleep(HOUR * hours).await;
        seen.lock().expect("lock").push((hours, clock.now()));
    };
    block_on(join(join(wait(3), wait(1)), wait(2)));
    let expected: Vec<_> = (1..=3).map(|hours| (hours, START + HOUR * hours)).collect();
    assert_eq!(seen.into_inner().expect("lock"), expected);
}

#[test]
fn virtual_time_stands_still_while_work_is_under_way() {
    let clock = Clock::virtual_from(START);
    let work = clock.busy();
    let (tell, told) = mpsc::channel();
    let sleeper = clock.clone();
    let waiting = std::thread::spawn(move || {
        block_on(async {
            let mut sleep = std::pin::pin!(sleeper.sleep(HOUR));
            assert!(futures_util::poll!(&mut sleep).is_pending());
            tell.send(()).expect("the test listens");
            sleep.await;
        });
    });
    told.recv().expect("the sleeper waits");
    assert_eq!(clock.status().next, Some(START + HOUR));
    assert_eq!(clock.now(), START);
    drop(work);
    waiting.join().expect("the sleeper ends");
    assert_eq!(clock.now(), START + HOUR);
}

#[test]
fn housekeeping_does_not_pull_virtual_time() {
    let clock = Clock::virtual_from(START);
    let expiry = clock.passed(START + HOUR * 24);
    block_on(async {
        let mut expiry = std::pin::pin!(expiry);
        assert!(futures_util::poll!(&mut expiry).is_pending());
        clock.sleep(HOUR).await;
        assert_eq!(clock.now(), START + HOUR);
        assert!(futures_util::poll!(&mut expiry).is_pending());
        clock.advance(HOUR * 24);
        expiry.await;
    });
}

#[test]
fn a_dropped_sleep_leaves_nothing_behind() {
    let clock = Clock::virtual_from(START);
    block_on(async {
        let mut sleep = Box::pin(clock.sleep(HOUR));
        assert!(futures_util::poll!(&mut sleep).is_pending());
    });
    let status = clock.status();
    assert_eq!((status.next, status.busy), (None, 0));
}

#[test]
fn advance_moves_real_time_too() {
    let clock = Clock::starting_at(Mode::Real, START);
    let sleep = clock.sleep(HOUR);
    clock.advance(HOUR);
    block_on(sleep);
    assert!(clock.now() >= START + HOUR);
}

#[test]
fn scaled_time_goes_faster() {
    let clock = Clock::starting_at(Mode::Scaled(1e6), START);
    block_on(clock.sleep(HOUR));
    assert!(clock.now() >= START + HOUR);
}

#[test]
fn modes_read_and_write() {
    for text in ["real", "virtual", "scaled:60"] {
        assert_eq!(text.parse::<Mode>().expect(text).to_string(), text);
    }
    for text in ["", "fast", "scaled:0", "scaled:-1", "scaled:x"] {
        assert!(text.parse::<Mode>().is_err(), "{text}");
    }
}
