//! Tests of the rollout: what boards say in, what is done out.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use smearscope_common::message::{
    ModelMessage, ModelOrigin, ModelRef, ModelUpdate, ModelWatch, UpdateState,
};
use smearscope_common::topic::DeviceId;

use super::rollout::{Action, Board, Failure, Rollout, Standing, Until, Wish};

const PATIENCE: Duration = Duration::from_secs(60);

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn wish() -> Wish {
    Wish {
        sha256: "ab".repeat(32).parse().unwrap(),
        signed_at: time(1000),
    }
}

fn id(name: &str) -> DeviceId {
    name.parse().unwrap()
}

/// What a board says of the wished model; `signed` is the newest signature that it has accepted.
fn says(signed: Option<i64>, state: UpdateState, at: i64) -> ModelMessage {
    ModelMessage {
        schema: ModelMessage::SCHEMA.into(),
        device: id("any"),
        boot_id: uuid::Uuid::nil(),
        current: ModelRef {
            name: "m".into(),
            version: "1".into(),
            sha256: "00".into(),
        },
        origin: ModelOrigin::Program,
        previous: None,
        watch: None,
        signed_at: signed.map(time),
        update: Some(ModelUpdate {
            sha256: wish().sha256,
            size: 10,
            received: 5,
            state,
            at: time(at),
            reason: matches!(state, UpdateState::Refused | UpdateState::RolledBack)
                .then(|| "because".into()),
        }),
    }
}

/// Boards by name; one in capitals is offline.
fn rollout(until: Until, names: &[&str]) -> Rollout {
    let board = |name: &&str| Board {
        device: id(&name.to_lowercase()),
        standing: Standing::Pending,
        is_online: name.to_lowercase() == **name,
        said: None,
    };
    Rollout::new(wish(), until, PATIENCE, names.iter().map(board).collect())
}

fn desire(name: &str) -> Action {
    Action::Desire(id(name))
}

fn withdraw(name: &str) -> Action {
    Action::Withdraw(id(name))
}

fn words(rollout: &Rollout) -> Vec<&'static str> {
    let boards = rollout.boards().iter();
    boards.map(|board| board.standing.word()).collect()
}

#[test]
fn one_board_after_the_other_and_those_that_are_there_first() {
    let now = Instant::now();
    let mut rollout = rollout(Until::Installed, &["X", "a", "b"]);
    assert_eq!(rollout.step(now), [desire("a")]);
    for state in [
        UpdateState::Receiving,
        UpdateState::Checking,
        UpdateState::Switching,
    ] {
        rollout.model(&id("a"), says(None, state, 1));
        assert_eq!(rollout.step(now), []);
    }
    rollout.model(&id("a"), says(Some(1000), UpdateState::Watching, 2));
    assert_eq!(rollout.step(now), []);
    rollout.model(&id("a"), says(Some(1000), UpdateState::Installed, 3));
    assert_eq!(rollout.step(now), [desire("b")]);
    assert!(!rollout.is_over());
    rollout.model(&id("b"), says(Some(1000), UpdateState::Installed, 3));
    assert_eq!(rollout.step(now), [desire("x")]);
    assert!(rollout.is_over() && rollout.failed().is_none());
    assert_eq!(words(&rollout), ["offline", "installed", "installed"]);
}

#[test]
fn a_board_that_comes_back_in_time_is_followed_and_one_that_leaves_is_told_last() {
    let now = Instant::now();
    let mut rollout = rollout(Until::Watching, &["X", "a", "b"]);
    assert_eq!(rollout.step(now), [desire("a")]);
    rollout.status(&id("x"), true);
    rollout.status(&id("b"), false);
    rollout.model(&id("a"), says(Some(1000), UpdateState::Watching, 2));
    assert_eq!(rollout.step(now), [desire("x")]);
    rollout.model(&id("x"), says(Some(1000), UpdateState::Installed, 2));
    assert_eq!(rollout.step(now), [desire("b")]);
    assert_eq!(words(&rollout), ["installed", "watching", "offline"]);
}

#[test]
fn the_first_refusal_ends_it_and_is_withdrawn_from_that_board_alone() {
    let now = Instant::now();
    let mut rollout = rollout(Until::Installed, &["a", "b", "c", "X"]);
    rollout.step(now);
    rollout.model(&id("a"), says(Some(1000), UpdateState::Installed, 1));
    assert_eq!(rollout.step(now), [desire("b")]);
    rollout.model(&id("b"), says(None, UpdateState::Refused, 1));
    assert_eq!(rollout.step(now), [withdraw("b")]);
    assert!(rollout.is_over());
    assert_eq!(rollout.step(now + 9 * PATIENCE), []);
    assert_eq!(
        rollout.failed().unwrap().standing,
        Standing::Failed(Failure::Refused, "because".into())
    );
    assert_eq!(
        words(&rollout),
        ["installed", "refused", "not_reached", "not_reached"]
    );
}

#[test]
fn what_a_board_said_of_an_earlier_attempt_is_not_taken_for_its_answer() {
    let now = Instant::now();
    for old in [
        says(None, UpdateState::Refused, 7),
        says(Some(500), UpdateState::Installed, 7),
        says(Some(500), UpdateState::RolledBack, 7),
    ] {
        let mut rollout = rollout(Until::Installed, &["a"]);
        rollout.model(&id("a"), old.clone());
        assert_eq!(rollout.step(now), [desire("a")]);
        // With each connection the broker repeats it.
        rollout.model(&id("a"), old);
        assert_eq!(rollout.step(now), []);
        assert_eq!(words(&rollout), ["told"]);
        // At work already, it answers at once.
        rollout.model(&id("a"), says(Some(1000), UpdateState::Installed, 9));
        rollout.step(now);
        assert_eq!(words(&rollout), ["installed"]);
    }
    // Refused once more.
    let mut rollout = rollout(Until::Installed, &["a"]);
    rollout.model(&id("a"), says(Some(500), UpdateState::Refused, 7));
    rollout.step(now);
    rollout.model(&id("a"), says(Some(500), UpdateState::Refused, 8));
    assert_eq!(rollout.step(now), [withdraw("a")]);
}

#[test]
fn a_board_that_takes_the_model_back_while_another_is_followed_ends_it() {
    let now = Instant::now();
    for has_taken in [false, true] {
        let mut rollout = rollout(Until::Watching, &["a", "b", "c"]);
        rollout.step(now);
        rollout.model(&id("a"), says(Some(1000), UpdateState::Watching, 1));
        assert_eq!(rollout.step(now), [desire("b")]);
        let (signed, state) = if has_taken {
            (Some(1000), UpdateState::Switching)
        } else {
            (None, UpdateState::Receiving)
        };
        rollout.model(&id("b"), says(signed, state, 1));
        rollout.model(&id("a"), says(Some(1000), UpdateState::RolledBack, 2));
        if has_taken {
            assert_eq!(rollout.step(now), [withdraw("a")]);
            assert_eq!(words(&rollout), ["rolled_back", "switching", "not_reached"]);
        } else {
            assert_eq!(rollout.step(now), [withdraw("a"), withdraw("b")]);
            assert_eq!(
                words(&rollout),
                ["rolled_back", "not_reached", "not_reached"]
            );
        }
    }
}

#[test]
fn who_takes_too_long_fails_with_what_it_was_at() {
    let now = Instant::now();
    let said = |edit: &dyn Fn(&mut Rollout)| {
        let mut rollout = rollout(Until::Installed, &["a", "b"]);
        rollout.step(now);
        edit(&mut rollout);
        assert_eq!(rollout.step(now + PATIENCE / 2), []);
        assert_eq!(rollout.step(now + PATIENCE), [withdraw("a")]);
        match &rollout.failed().unwrap().standing {
            Standing::Failed(Failure::TimedOut, why) => why.clone(),
            other => panic!("{other:?}"),
        }
    };
    let silent = said(&|_| ());
    assert!(silent.contains("smearscope/a/model"), "{silent}");
    let gone = said(&|rollout| rollout.status(&id("a"), false));
    assert!(gone.contains("offline"), "{gone}");
    let slow = said(&|rollout| rollout.model(&id("a"), says(None, UpdateState::Receiving, 1)));
    assert!(slow.contains("5 of 10 bytes"), "{slow}");
    let watched = said(&|rollout| {
        let mut message = says(Some(1000), UpdateState::Watching, 1);
        message.watch = Some(ModelWatch {
            cells: 20,
            cells_needed: 300,
            share: None,
            share_before: None,
        });
        rollout.model(&id("a"), message);
    });
    assert!(watched.contains("20 of 300 cells"), "{watched}");
    let other = said(&|rollout| {
        let mut message = says(None, UpdateState::Receiving, 1);
        message.update = None;
        rollout.model(&id("a"), message);
    });
    assert!(other.contains("did not begin"), "{other}");
}

#[test]
fn somebody_elses_newer_model_ends_it() {
    let now = Instant::now();
    let mut rollout = rollout(Until::Installed, &["a"]);
    rollout.step(now);
    let mut message = says(Some(1001), UpdateState::Installed, 1);
    message.update.as_mut().unwrap().sha256 = "cd".repeat(32).parse().unwrap();
    rollout.model(&id("a"), message);
    rollout.step(now);
    assert_eq!(words(&rollout), ["overtaken"]);
}

#[test]
fn what_the_broker_refuses_is_not_withdrawn() {
    let now = Instant::now();
    let mut rollout = rollout(Until::Installed, &["a", "b"]);
    rollout.step(now);
    rollout.fail(&id("a"), Failure::Broker, "no right".into());
    assert_eq!(rollout.step(now), []);
    assert_eq!(words(&rollout), ["broker_refused", "not_reached"]);
}
