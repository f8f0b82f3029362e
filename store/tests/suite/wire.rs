//! etcd's wire, byte by byte where a client library would hide it.

use crate::channel::*;
use crate::support::*;
use http::uri::PathAndQuery;
use std::sync::Arc;
use store::{Member, start};
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::watch_request::RequestUnion;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

async fn serve(data_dir: &std::path::Path) -> (Member, Channel) {
    let mut config = single(data_dir);
    config.listen_client_urls = vec!["http://127.0.0.1:0".into()];
    let member = start(config, &daemon::Supervisor::new()).await.unwrap();
    let channel = connect(&member).await;
    (member, channel)
}

// proves: ST-34
#[tokio::test]
async fn errors_have_etcds_codes_and_texts_on_the_wire() {
    let directory = tempfile::tempdir().unwrap();
    let (member, channel) = serve(directory.path()).await;
    let empty = unary::<_, pb::PutResponse>(&channel, "/etcdserverpb.KV/Put", put("", "x")).await.unwrap_err();
    assert_eq!((empty.code(), empty.message()), (tonic::Code::InvalidArgument, "etcdserver: key is not provided"));
    let large = put("k", &"x".repeat(store::REQUEST_BYTES_MAX + 1));
    let large = unary::<_, pb::PutResponse>(&channel, "/etcdserverpb.KV/Put", large).await.unwrap_err();
    assert_eq!((large.code(), large.message()), (tonic::Code::InvalidArgument, "etcdserver: request is too large"));
    member.shut_down().await;
}

// proves: ST-34
#[tokio::test]
async fn grpc_refuses_in_the_words_of_etcds_library() {
    let directory = tempfile::tempdir().unwrap();
    let (member, channel) = serve(directory.path()).await;
    let too_large = put("k", &"x".repeat(3 << 20));
    let request = unary::<_, pb::PutResponse>(&channel, "/etcdserverpb.KV/Put", too_large);
    let too_large = request.await.unwrap_err();
    assert_eq!(too_large.code(), tonic::Code::ResourceExhausted);
    assert_eq!(too_large.message(), "grpc: received message larger than max (3145736 vs. 2097152)");
    for (path, text) in [
        ("/etcdserverpb.Maintenance/HashKV", "unknown method HashKV for service etcdserverpb.Maintenance"),
        ("/etcdserverpb.Auth/AuthStatus", "unknown service etcdserverpb.Auth"),
    ] {
        let absent = unary::<_, pb::StatusResponse>(&channel, path, pb::StatusRequest {}).await.unwrap_err();
        assert_eq!((absent.code(), absent.message()), (tonic::Code::Unimplemented, text));
    }
    member.shut_down().await;
}

#[tokio::test]
async fn members_are_listed_without_a_revision() {
    let directory = tempfile::tempdir().unwrap();
    let (member, channel) = serve(directory.path()).await;
    put_at(&member.client(), "k", "1").await;
    let request = pb::MemberListRequest { linearizable: true };
    let listed: pb::MemberListResponse = unary(&channel, "/etcdserverpb.Cluster/MemberList", request).await.unwrap();
    let header = listed.header.unwrap();
    assert_eq!((listed.members.len(), header.revision), (1, 0));
    assert_ne!((header.cluster_id, header.member_id, header.raft_term), (0, 0, 0));
    member.shut_down().await;
}

// proves: ST-19
#[tokio::test]
async fn a_negative_watch_id_is_as_good_as_any_and_a_negative_start_is_compacted() {
    let directory = tempfile::tempdir().unwrap();
    let (member, channel) = serve(directory.path()).await;
    let mut stream = Watches::open(&channel, &[]).await.unwrap();
    let chosen = stream.create(pb::WatchCreateRequest { watch_id: -3, ..watch_all(0) }).await;
    assert_eq!((chosen.created, chosen.canceled, chosen.watch_id), (true, false, -3));
    let refused = stream.create(watch_all(-1)).await;
    assert_eq!((refused.created, refused.canceled, refused.watch_id), (true, true, -1));
    assert_eq!(refused.cancel_reason, "etcdserver: mvcc: required revision has been compacted");
    member.shut_down().await;
}

// proves: ST-19
#[tokio::test]
async fn one_stream_carries_many_watches_with_ids_cancellation_and_progress() {
    let directory = tempfile::tempdir().unwrap();
    let (member, channel) = serve(directory.path()).await;
    let store = member.client();
    let mut stream = Watches::open(&channel, &[]).await.unwrap();
    // Where nothing is watched there is no progress: the first thing to come is what is created afterwards.
    stream.send(RequestUnion::ProgressRequest(pb::WatchProgressRequest {})).await;
    let first = stream.create(watch_all(0)).await;
    assert_eq!((first.created, first.watch_id, first.header.unwrap().revision), (true, 0, 1));
    let chosen = pb::WatchCreateRequest { watch_id: 7, key: "b".into(), ..Default::default() };
    assert_eq!(stream.create(chosen.clone()).await.watch_id, 7);
    let duplicate = stream.create(chosen).await;
    assert_eq!((duplicate.created, duplicate.canceled, duplicate.watch_id), (true, true, -1));
    assert!(duplicate.cancel_reason.contains("duplicate watch ID"), "{}", duplicate.cancel_reason);

    let revision = put_at(&store, "b", "1").await;
    let mut got = [stream.next().await, stream.next().await];
    got.sort_by_key(|response| response.watch_id);
    assert_eq!(got.each_ref().map(|response| response.watch_id), [0, 7]);
    for response in &got {
        assert_eq!(response.events.len(), 1);
        assert_eq!(response.events[0].kv.as_ref().unwrap().mod_revision, revision);
        assert_eq!(response.header.as_ref().unwrap().revision, revision);
    }

    stream.send(RequestUnion::ProgressRequest(pb::WatchProgressRequest {})).await;
    let progress = stream.next().await;
    assert_eq!((progress.watch_id, progress.events.len(), progress.header.unwrap().revision), (-1, 0, revision));

    stream.send(RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: 7 })).await;
    let canceled = stream.next().await;
    assert_eq!((canceled.canceled, canceled.watch_id, canceled.compact_revision), (true, 7, 0));
    member.shut_down().await;
}

// proves: ST-19
#[tokio::test]
async fn a_compacted_start_is_created_and_then_cancelled_with_the_compact_revision() {
    let directory = tempfile::tempdir().unwrap();
    let (member, channel) = serve(directory.path()).await;
    let store = member.client();
    put_at(&store, "k", "1").await;
    let last = put_at(&store, "k", "2").await;
    store.compact(pb::CompactionRequest { revision: last, physical: true }).await.unwrap();
    let mut stream = Watches::open(&channel, &[]).await.unwrap();
    assert!(stream.create(watch_all(1)).await.created);
    let canceled = stream.next().await;
    assert_eq!((canceled.canceled, canceled.compact_revision), (true, last));
    assert_eq!((canceled.cancel_reason.as_str(), canceled.header.unwrap().revision), ("", 0));
    member.shut_down().await;
}

// proves: ST-19
#[tokio::test]
async fn a_large_revision_is_cut_into_fragments_only_where_the_watch_allows_it() {
    let directory = tempfile::tempdir().unwrap();
    let (member, channel) = serve(directory.path()).await;
    let store = member.client();
    // Three values that fit one request each make one revision of more than a request: by deleting them with prev_kv.
    for key in ["a1", "a2", "a3"] {
        put_at(&store, key, &"x".repeat(1 << 20)).await;
    }
    let range = pb::DeleteRangeRequest { range_end: "b".into(), ..delete("a") };
    let revision = store.delete_range(range).await.unwrap().header.unwrap().revision;
    for (fragment, expected) in [(true, vec![true, true, false]), (false, vec![false])] {
        let mut stream = Watches::open(&channel, &[]).await.unwrap();
        let create = pb::WatchCreateRequest { prev_kv: true, fragment, ..watch_all(revision) };
        assert!(stream.create(create).await.created);
        let mut fragments = Vec::new();
        let mut events = 0;
        while events < 3 {
            let response = stream.next().await;
            events += response.events.len();
            fragments.push(response.fragment);
        }
        assert_eq!(fragments, expected);
    }
    member.shut_down().await;
}

#[tokio::test]
async fn a_stream_that_requires_a_leader_is_served_while_there_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let (member, channel) = serve(directory.path()).await;
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.unwrap();
    let mut request = tonic::Request::new(get("k"));
    request.metadata_mut().insert("hasleader", "true".parse().unwrap());
    let codec: ProstCodec<pb::RangeRequest, pb::RangeResponse> = ProstCodec::default();
    let answer = grpc.unary(request, PathAndQuery::from_static("/etcdserverpb.KV/Range"), codec).await;
    assert!(answer.is_ok(), "{answer:?}");
    member.shut_down().await;
}

// proves: ST-22
#[tokio::test]
async fn the_lease_stream_answers_every_renewal_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let (member, channel) = serve(directory.path()).await;
    let store = Arc::clone(&member.client());
    store.lease_grant(pb::LeaseGrantRequest { ttl: 30, id: 5 }).await.unwrap();
    let mut renewals = Renewals::open(&channel, &[]).await.unwrap();
    for id in [5, 6, 5] {
        renewals.send(id).await;
    }
    let mut got = Vec::new();
    for _ in 0..3 {
        let answer = renewals.next().await;
        got.push((answer.id, answer.ttl));
    }
    assert_eq!(got, [(5, 30), (6, 0), (5, 30)]);
    member.shut_down().await;
}

// proves: ST-23
#[tokio::test]
async fn a_streamed_range_is_the_range_in_chunks() {
    const PATH: &str = "/etcdserverpb.KV/RangeStream";
    let directory = tempfile::tempdir().unwrap();
    let (member, channel) = serve(directory.path()).await;
    let store = member.client();
    for number in 0..100 {
        put_at(&store, &format!("k{number:02}"), &"x".repeat(number * 100)).await;
    }
    let all = pb::RangeRequest { range_end: "l".into(), ..get("k") };
    for request in [
        all.clone(),
        pb::RangeRequest { limit: 25, ..all.clone() },
        pb::RangeRequest { limit: 10, keys_only: true, ..all.clone() },
        pb::RangeRequest { limit: 100, ..all.clone() },
        pb::RangeRequest { count_only: true, ..all.clone() },
        pb::RangeRequest { revision: 50, serializable: true, ..all.clone() },
        get("k07"),
        get("absent"),
    ] {
        let expected = store.range(request.clone()).await.unwrap();
        let chunks: Vec<pb::RangeStreamResponse> = server_stream(&channel, PATH, request.clone()).await.unwrap();
        let (last, before) = chunks.split_last().expect("there is always one");
        let mut merged = pb::RangeResponse::default();
        for chunk in before {
            let chunk = chunk.range_response.clone().unwrap();
            assert_eq!((chunk.header, chunk.more, chunk.count), (None, false, 0));
            merged.kvs.extend(chunk.kvs);
        }
        let last = last.range_response.clone().unwrap();
        merged.kvs.extend(last.kvs.clone());
        assert_eq!(pb::RangeResponse { kvs: merged.kvs, ..last }, expected, "{request:?}");
        assert_eq!(before.is_empty(), expected.kvs.len() <= 10);
    }
    for (request, text) in [
        (pb::RangeRequest { sort_order: 2, ..all.clone() }, "RangeStream does not support custom sort orders"),
        (pb::RangeRequest { min_mod_revision: 3, ..all }, "RangeStream does not support revision filters"),
    ] {
        let refused = server_stream::<_, pb::RangeStreamResponse>(&channel, PATH, request).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (tonic::Code::Unimplemented, text));
    }
    member.shut_down().await;
}
