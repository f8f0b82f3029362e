//! Power cuts under load. Whatever was answered is there, whole, and every watcher that resumes sees it once and in order.

#[path = "crash/members.rs"]
mod members;
#[path = "crash/server.rs"]
mod server;
