//! Work on all cores, in order: many threads take pieces in turn, work on them side by side, then each does its serial part
//! when its turn comes, then goes on alone.
//!
//! The order of the serial part is the order in which pieces were taken, so what it sees does not depend on the number of
//! threads. Memory is bounded: no thread holds more than one piece.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use imgdelta_core::{Error, Kind, Result};

/// What is done with each piece.
pub(crate) trait Line: Sync {
    /// A piece of the work.
    type Piece: Send;
    /// What one thread keeps from piece to piece: buffers, compressors.
    type Desk: Send;
    /// What the serial part works on, one piece after another.
    type Serial: Send;

    /// The next piece, in order; `None` at the end. Serial.
    fn next(&self, serial: &mut Self::Serial) -> Result<Option<Self::Piece>>;

    /// Works on a piece. Parallel.
    fn work(&self, desk: &mut Self::Desk, piece: &mut Self::Piece) -> Result<()>;

    /// The piece's serial part, in order.
    fn turn(
        &self,
        desk: &mut Self::Desk,
        piece: &mut Self::Piece,
        serial: &mut Self::Serial,
    ) -> Result<()>;

    /// What remains to be done. Parallel.
    fn after(&self, desk: &mut Self::Desk, piece: Self::Piece) -> Result<()>;
}

struct Gate<S> {
    serial: S,
    /// The number of the next piece to be taken.
    taken: u64,
    /// The number of the piece whose turn it is.
    turn: u64,
    finished: bool,
    /// The failure of the earliest piece that failed.
    failure: Option<(u64, Error)>,
}

/// Runs `line` to its end, one thread a desk, and gives back the serial part's state.
///
/// # Errors
/// That of the earliest piece that failed. No further piece is begun after a failure.
pub(crate) fn run<L: Line>(
    line: &L,
    mut desks: Vec<L::Desk>,
    serial: L::Serial,
) -> Result<L::Serial> {
    let gate = Mutex::new(Gate {
        serial,
        taken: 0,
        turn: 0,
        finished: false,
        failure: None,
    });
    let moved = Turns(desks.iter().map(|_| Condvar::new()).collect());
    std::thread::scope(|scope| {
        let own = desks.pop();
        for desk in desks {
            scope.spawn(|| attend(line, desk, &gate, &moved));
        }
        if let Some(desk) = own {
            attend(line, desk, &gate, &moved);
        }
    });
    let gate = gate.into_inner().unwrap_or_else(PoisonError::into_inner);
    match gate.failure {
        Some((_, error)) => Err(error),
        None => Ok(gate.serial),
    }
}

/// Where threads wait for their turn, one place a thread: at the end of a turn only the one whose turn is next is woken. No two that
/// wait share a place, since the pieces that are worked on are as many as threads, and follow one another.
struct Turns(Vec<Condvar>);

impl Turns {
    /// Lets go of the gate until something happened that concerns piece `number`.
    fn wait<'a, S>(&self, number: u64, gate: MutexGuard<'a, Gate<S>>) -> MutexGuard<'a, Gate<S>> {
        match self.place(number) {
            Some(place) => place.wait(gate).unwrap_or_else(PoisonError::into_inner),
            None => gate,
        }
    }

    /// It is the turn of piece `number`.
    fn call(&self, number: u64) {
        if let Some(place) = self.place(number) {
            place.notify_one();
        }
    }

    /// Something happened that concerns all.
    fn call_all(&self) {
        self.0.iter().for_each(Condvar::notify_all);
    }

    fn place(&self, number: u64) -> Option<&Condvar> {
        let number = number.checked_rem(self.0.len() as u64)?;
        self.0.get(usize::try_from(number).ok()?)
    }
}

fn enter<'a, S>(gate: &'a Mutex<Gate<S>>) -> MutexGuard<'a, Gate<S>> {
    gate.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread that panics must not leave the others waiting for its turn.
struct PanicAlarm<'a, S>(&'a Mutex<Gate<S>>, &'a Turns);

impl<S> Drop for PanicAlarm<'_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            fail(
                &mut enter(self.0),
                self.1,
                0,
                Error::new(Kind::Host, "a worker thread panicked"),
            );
        }
    }
}

/// One thread's part: piece after piece until there is none, or something failed.
fn attend<L: Line>(line: &L, mut desk: L::Desk, gate: &Mutex<Gate<L::Serial>>, moved: &Turns) {
    let _alarm = PanicAlarm(gate, moved);
    while let Some((number, mut piece)) = take(line, gate, moved) {
        let result = line
            .work(&mut desk, &mut piece)
            .and_then(|()| wait_for_turn(line, gate, moved, number, &mut desk, &mut piece))
            .and_then(|on| {
                if on {
                    line.after(&mut desk, piece)
                } else {
                    Ok(())
                }
            });
        if let Err(error) = result {
            fail(&mut enter(gate), moved, number, error);
        }
    }
}

fn take<L: Line>(
    line: &L,
    gate: &Mutex<Gate<L::Serial>>,
    moved: &Turns,
) -> Option<(u64, L::Piece)> {
    let mut gate = enter(gate);
    if gate.finished || gate.failure.is_some() {
        return None;
    }
    let number = gate.taken;
    match line.next(&mut gate.serial) {
        Ok(Some(piece)) => {
            gate.taken += 1;
            Some((number, piece))
        }
        Ok(None) => {
            gate.finished = true;
            None
        }
        Err(error) => {
            fail(&mut gate, moved, number, error);
            None
        }
    }
}

/// Does the piece's serial part when its turn has come; false if an earlier piece failed and it never will.
fn wait_for_turn<L: Line>(
    line: &L,
    gate: &Mutex<Gate<L::Serial>>,
    moved: &Turns,
    number: u64,
    desk: &mut L::Desk,
    piece: &mut L::Piece,
) -> Result<bool> {
    let mut gate = enter(gate);
    loop {
        if gate
            .failure
            .as_ref()
            .is_some_and(|(failed, _)| *failed <= number)
        {
            return Ok(false);
        }
        if gate.turn == number {
            break;
        }
        gate = moved.wait(number, gate);
    }
    line.turn(desk, piece, &mut gate.serial)?;
    gate.turn += 1;
    moved.call(gate.turn);
    Ok(true)
}

fn fail<S>(gate: &mut Gate<S>, moved: &Turns, number: u64, error: Error) {
    if gate
        .failure
        .as_ref()
        .is_none_or(|(failed, _)| number < *failed)
    {
        gate.failure = Some((number, error));
    }
    moved.call_all();
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Squares {
        fails_at: Option<u64>,
    }

    impl Line for Squares {
        type Piece = (u64, u64);
        type Desk = ();
        type Serial = (u64, Vec<u64>);

        fn next(&self, serial: &mut Self::Serial) -> Result<Option<Self::Piece>> {
            serial.0 += 1;
            Ok((serial.0 <= 1000).then_some((serial.0, 0)))
        }

        fn work(&self, (): &mut (), piece: &mut Self::Piece) -> Result<()> {
            if piece.0.is_multiple_of(7) {
                std::thread::yield_now();
            }
            piece.1 = piece.0 * piece.0;
            match self.fails_at {
                Some(at) if piece.0 >= at => {
                    Err(Error::new(Kind::Usage, format!("piece {}", piece.0)))
                }
                _ => Ok(()),
            }
        }

        fn turn(
            &self,
            (): &mut (),
            piece: &mut Self::Piece,
            serial: &mut Self::Serial,
        ) -> Result<()> {
            serial.1.push(piece.1);
            Ok(())
        }

        fn after(&self, (): &mut (), _: Self::Piece) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_serial_part_sees_the_same_order_for_any_number_of_threads() -> Result<()> {
        let expected: Vec<u64> = (1..=1000).map(|n| n * n).collect();
        for threads in [1, 2, 3, 8] {
            let (_, squares) = run(
                &Squares { fails_at: None },
                vec![(); threads],
                (0, Vec::new()),
            )?;
            assert_eq!(squares, expected, "{threads} threads");
        }
        Ok(())
    }

    #[test]
    fn the_earliest_failure_is_reported_and_nothing_hangs() {
        for threads in [1, 2, 8] {
            let error = run(
                &Squares {
                    fails_at: Some(500),
                },
                vec![(); threads],
                (0, Vec::new()),
            )
            .expect_err("piece 500 fails");
            assert_eq!(error.message(), "piece 500", "{threads} threads");
        }
    }
}
