use proptest::prelude::*;
use proptest::strategy::Strategy as _;

use super::{Draw, LOAD_FACTOR, Seat, Strategy};
use crate::ring::{Ring, hash};

fn seat(open: bool, in_flight: usize, latency: f64) -> Seat {
    Seat { open, in_flight, latency }
}

fn ring(count: usize) -> Ring {
    let names: Vec<_> = (0..count).map(|n| format!("serve-{n}")).collect();
    Ring::new(names.iter().map(String::as_str))
}

fn draw(turn: u64) -> Draw {
    Draw { turn, key: hash(&turn.to_le_bytes()), random: [hash(&[1, turn as u8]), hash(&[2, turn as u8])] }
}

/// How often each seat is taken in `choices` choices, when requests end at once.
fn distribution(strategy: Strategy, seats: &[Seat], choices: u64) -> Vec<u64> {
    let mut counts = vec![0; seats.len()];
    let ring = ring(seats.len());
    (0..choices).for_each(|turn| counts[strategy.choose(seats, &ring, draw(turn)).unwrap()] += 1);
    counts
}

#[test]
fn round_robin_takes_turns_among_the_open() {
    let seats = [seat(true, 9, 0.0), seat(false, 0, 0.0), seat(true, 0, 0.0), seat(true, 5, 0.0)];
    assert_eq!(distribution(Strategy::RoundRobin, &seats, 300), [100, 0, 100, 100]);
}

#[test]
fn least_connections_takes_the_idlest_and_shares_ties() {
    let seats = [seat(true, 2, 0.0), seat(true, 1, 0.0), seat(false, 0, 0.0), seat(true, 1, 0.0)];
    assert_eq!(distribution(Strategy::LeastConnections, &seats, 100), [0, 50, 0, 50]);
}

#[test]
fn hash_keeps_a_key_where_it_was_until_that_seat_is_full() {
    let ring = ring(3);
    let idle = [seat(true, 0, 0.0); 3];
    let home = Strategy::Hash.choose(&idle, &ring, draw(7)).unwrap();
    assert_eq!(Strategy::Hash.choose(&idle, &ring, draw(7)), Some(home));
    let mut full = [seat(true, 10, 0.0); 3];
    // 30 under way and one more: ceil(1.25 · 31 / 3) = 13.
    full[home].in_flight = 12;
    full[(home + 1) % 3].in_flight = 8;
    assert_eq!(Strategy::Hash.choose(&full, &ring, draw(7)), Some(home));
    full[home].in_flight = 13;
    full[(home + 1) % 3].in_flight = 7;
    assert_ne!(Strategy::Hash.choose(&full, &ring, draw(7)), Some(home));
}

#[test]
fn latency_prefers_the_quick_but_not_when_it_is_crowded() {
    let seats = [seat(true, 0, 0.001), seat(true, 0, 0.010), seat(true, 0, 0.010)];
    let counts = distribution(Strategy::Latency, &seats, 300);
    assert!(counts[0] > 150 && counts[1] > 0 && counts[2] > 0, "{counts:?}");
    let crowded = [seat(true, 20, 0.001), seat(true, 0, 0.010)];
    assert_eq!(distribution(Strategy::Latency, &crowded, 100), [0, 100]);
}

#[test]
fn strategies_are_named_as_on_the_command_line() {
    for strategy in Strategy::ALL {
        assert_eq!(strategy.to_string().parse(), Ok(strategy));
    }
    let error = "fastest".parse::<Strategy>().unwrap_err();
    assert_eq!(error, "\"fastest\" is no strategy, use round-robin, least-connections, hash, latency");
}

fn any_seat() -> impl proptest::prelude::Strategy<Value = Seat> {
    (any::<bool>(), 0_usize..50, 0.0..1.0_f64)
        .prop_map(|(open, in_flight, latency)| seat(open, in_flight, latency))
}

proptest! {
    #[test]
    fn an_open_seat_is_chosen_whenever_there_is_one(
        seats in proptest::collection::vec(any_seat(), 0..12),
        turn: u64, key: u64, random: [u64; 2],
    ) {
        let ring = ring(seats.len());
        let draw = Draw { turn, key, random };
        for strategy in Strategy::ALL {
            match strategy.choose(&seats, &ring, draw) {
                Some(chosen) => prop_assert!(seats[chosen].open, "{strategy}"),
                None => prop_assert!(seats.iter().all(|seat| !seat.open), "{strategy}"),
            }
        }
    }

    #[test]
    fn no_seat_gets_more_than_its_bounded_share_by_hash(keys in proptest::collection::vec(0_u64..3, 1..200)) {
        let ring = ring(5);
        let mut seats = vec![seat(true, 0, 0.0); 5];
        for (busy, key) in keys.iter().enumerate() {
            let draw = Draw { turn: 0, key: hash(&key.to_le_bytes()), random: [0, 0] };
            let chosen = Strategy::Hash.choose(&seats, &ring, draw).unwrap();
            seats[chosen].in_flight += 1;
            let room = (LOAD_FACTOR * (busy + 1) as f64 / 5.0).ceil();
            prop_assert!(seats[chosen].in_flight as f64 <= room);
        }
    }
}
