//! Grains that are larger than a window, and zeros that a child can only say of several grains at once.

use imgdelta_core::{BlockState, Bytes, Result, VirtOffset, is_zero};

use super::compare::Comparison;
use crate::{planner::Side, tree::WINDOW};

impl Comparison<'_, '_> {
    /// A grain larger than a window is data as a whole when any of its windows is: the others are read too.
    pub(super) fn complete_large_grains(&mut self, child_len: Bytes) -> Result<()> {
        let grain = self.context.shape.grain;
        let marks_zero = self.marks_zero_grains();
        if grain <= WINDOW {
            return Ok(());
        }
        for number in 0..self.unit_writer.grains().len() {
            if self.unit_writer.grains().get(number) != Some(&BlockState::Data) {
                continue;
            }
            let from = Bytes((number as u64).saturating_mul(grain.0));
            let to = Bytes(from.0.saturating_add(grain.0)).min(child_len);
            let start = self.task.plan.address_of(from);
            let Some(bytes) = self
                .unit_writer
                .data_mut()
                .get_mut(from.in_memory()..to.in_memory())
            else {
                continue;
            };
            let target = self.context.target;
            self.task.plan.read(target, Side::Target, start, bytes)?;
            if marks_zero
                && is_zero(bytes)
                && let Some(place) = self.unit_writer.grains_mut().get_mut(number)
            {
                *place = BlockState::Zero;
            }
        }
        Ok(())
    }

    /// Whether the child can say of a single grain that it is zero.
    pub(super) fn marks_zero_grains(&self) -> bool {
        self.context.zero_run == Some(self.context.shape.grain)
    }

    /// Marks runs of several grains that are zero all over and differ somewhere. What did not differ in them is zero too then, and
    /// the child says so.
    pub(super) fn mark_zero_runs(&mut self, child_len: Bytes) -> Result<()> {
        let grain = self.context.shape.grain;
        let Some(run) = self.context.zero_run.filter(|run| *run > grain) else {
            return Ok(());
        };
        for number in 0..child_len.pieces(run) {
            let from = Bytes(number.saturating_mul(run.0));
            let to = Bytes(from.0.saturating_add(run.0)).min(child_len);
            let range =
                Bytes(from.0 / grain.0.max(1)).in_memory()..Bytes(to.pieces(grain)).in_memory();
            let grains = self.unit_writer.grains().get(range.clone());
            let grains = grains.unwrap_or_default();
            if !grains.contains(&BlockState::Data) {
                continue;
            }
            let is_whole = !grains.contains(&BlockState::Absent);
            let bytes = self.unit_writer.data();
            let bytes = bytes.get(from.in_memory()..to.in_memory());
            // What is absent is zero in these bytes, whatever the target has there.
            if is_zero(bytes.unwrap_or_default())
                && (is_whole
                    || self.is_target_zero(self.task.plan.address_of(from), to.0 - from.0)?)
                && let Some(grains) = self.unit_writer.grains_mut().get_mut(range)
            {
                grains.fill(BlockState::Zero);
            }
        }
        Ok(())
    }

    /// Whether `len` bytes of the target from `at` on are zero.
    fn is_target_zero(&mut self, at: VirtOffset, len: u64) -> Result<bool> {
        let mut skip = 0;
        while skip < len {
            let part = WINDOW.min(Bytes(len - skip)).in_memory();
            let bytes = self.buffers.window_mut(Side::Target, 0, part);
            let start = at.saturating_add(Bytes(skip));
            let target = self.context.target;
            self.task.plan.read(target, Side::Target, start, bytes)?;
            if !is_zero(bytes) {
                return Ok(false);
            }
            skip = skip.saturating_add(WINDOW.0);
        }
        Ok(true)
    }
}
