//! What every controller stands on: queue, requeue, leader election, index, expectations.
