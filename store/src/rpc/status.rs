//! Store errors as gRPC statuses, and our library's own refusals in the words of gRPC for Go.

use store_client::{Code, Error};
use tonic::Status;

/// The same code and text.
pub(super) fn status(error: Error) -> Status {
    Status::new(code(error.code), error.message.into_owned())
}

/// The same for a proposal. One that no leader took until its time was over is in etcd a context that ended.
pub(super) fn proposal_status(error: Error) -> Status {
    if error == Error::NO_LEADER { Status::deadline_exceeded("context deadline exceeded") } else { status(error) }
}

fn code(code: Code) -> tonic::Code {
    match code {
        Code::Canceled => tonic::Code::Cancelled,
        Code::Unknown => tonic::Code::Unknown,
        Code::InvalidArgument => tonic::Code::InvalidArgument,
        Code::DeadlineExceeded => tonic::Code::DeadlineExceeded,
        Code::NotFound => tonic::Code::NotFound,
        Code::PermissionDenied => tonic::Code::PermissionDenied,
        Code::ResourceExhausted => tonic::Code::ResourceExhausted,
        Code::FailedPrecondition => tonic::Code::FailedPrecondition,
        Code::OutOfRange => tonic::Code::OutOfRange,
        Code::Unimplemented => tonic::Code::Unimplemented,
        Code::Internal => tonic::Code::Internal,
        Code::Unavailable => tonic::Code::Unavailable,
        Code::DataLoss => tonic::Code::DataLoss,
        Code::Unauthenticated => tonic::Code::Unauthenticated,
    }
}

/// A message above the limit, as gRPC for Go refuses it; every other status as it is.
pub(super) fn too_large(status: Status) -> Status {
    let numbers = || {
        let rest = status.message().strip_prefix("Error, decoded message length too large: found ")?;
        rest.strip_suffix(" bytes")?.split_once(" bytes, the limit is: ")
    };
    match numbers() {
        Some((found, limit)) if status.code() == tonic::Code::OutOfRange => {
            Status::resource_exhausted(format!("grpc: received message larger than max ({found} vs. {limit})"))
        }
        _ => status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_their_numbers() {
        for error in Error::DOCUMENTED {
            assert_eq!(i32::from(status(error.clone()).code()), error.code as i32);
        }
    }

    #[test]
    fn only_the_librarys_own_refusal_is_reworded() {
        let compacted = Status::out_of_range("etcdserver: mvcc: required revision has been compacted");
        assert_eq!(too_large(compacted).code(), tonic::Code::OutOfRange);
        let large = "Error, decoded message length too large: found 7 bytes, the limit is: 5 bytes";
        let large = too_large(Status::out_of_range(large));
        assert_eq!(large.code(), tonic::Code::ResourceExhausted);
        assert_eq!(large.message(), "grpc: received message larger than max (7 vs. 5)");
    }
}
