//! The scheduler: framework, queues, plugins; pure up to binding.
