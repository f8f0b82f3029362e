//! What form an answer takes (Accept) and what form a body has (Content-Type), with upstream's rules and texts.
//!
//! JSON and YAML are spoken. Protobuf is understood in bodies, but not written: clients that ask for protobuf first get
//! their fall-back, and those that ask for nothing else get a 406.

use api_machinery::codec::Format;
use api_machinery::partial::MetaVersion;
use api_machinery::status::{Details, Status, reason};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`
    Json,
    /// `application/yaml`
    Yaml,
}

impl Encoding {
    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// What is written: the object, or a view of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The object or list itself.
    Object,
    /// `as=Table`
    Table(MetaVersion),
    /// `as=PartialObjectMetadata`
    Partial(MetaVersion),
    /// `as=PartialObjectMetadataList`
    PartialList(MetaVersion),
}

/// The outcome of negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Bytes.
    pub encoding: Encoding,
    /// Content.
    pub view: View,
}

impl Output {
    /// Plain JSON.
    pub const JSON: Self = Self { encoding: Encoding::Json, view: View::Object };
}

const ACCEPTED: &[&str] = &["application/json", "application/yaml"];
const ACCEPTED_BODIES: &[&str] = &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const ACCEPTED_STREAM: &[&str] = &["application/json;stream=watch"];
/// What a list's path answers with, which is a watch's path too.
const ACCEPTED_LIST: &[&str] = &["application/json", "application/yaml", "application/json;stream=watch"];
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// Clauses of an Accept header that are looked at; more are ignored, so that a long header costs nothing.
const CLAUSES_MAX: usize = 32;

/// Whether a client accepts anything that a path has: upstream's router asks before the path's handler negotiates, and
/// knows no `application/*`.
///
/// # Errors
/// 406 when it does not.
pub fn admit(headers: &HeaderMap, produced: &[&str]) -> Result<(), Status> {
    let Some(accept) = headers.get(ACCEPT).map(|value| value.to_str().unwrap_or("-")).filter(|text| !text.is_empty())
    else {
        return Ok(());
    };
    let mut types = accept.split(',').map(|clause| clause.split(';').next().unwrap_or_default().trim());
    if types.any(|media_type| media_type == "*/*" || produced.contains(&media_type)) {
        return Ok(());
    }
    let text = format!("406: Not Acceptable\n\nAvailable representations: {}", produced.join(", "));
    Err(Status::failure(406, reason::NOT_ACCEPTABLE, text).with_details(Details::default()))
}

/// [`admit`] for the path of a resource. Protobuf is left to the negotiation, which names what is spoken instead.
///
/// # Errors
/// 406 when nothing that is asked for is a type of objects.
pub fn admit_object(headers: &HeaderMap, on_collection: bool) -> Result<(), Status> {
    let names_protobuf = |text: &str| text.split(',').any(|clause| clause.trim_start().starts_with(PROTOBUF));
    match headers.get(ACCEPT).and_then(|value| value.to_str().ok()) {
        Some(text) if names_protobuf(text) => Ok(()),
        _ => admit(headers, if on_collection { ACCEPTED_LIST } else { ACCEPTED }),
    }
}

/// The form of an answer that is no watch.
///
/// # Errors
/// 406 when the client accepts nothing that is spoken here.
pub fn output(headers: &HeaderMap) -> Result<Output, Status> {
    negotiate(headers).ok_or_else(|| Status::not_acceptable(ACCEPTED))
}

/// The form of a document that is no object and has no views. `routed` says that upstream's router has its path.
///
/// # Errors
/// 406 when the client accepts nothing that is spoken here, or a view.
pub fn document(headers: &HeaderMap, routed: bool) -> Result<Encoding, Status> {
    if routed {
        admit_object(headers, false)?;
    }
    match output(headers)? {
        Output { encoding, view: View::Object } => Ok(encoding),
        _ => Err(Status::not_acceptable(ACCEPTED)),
    }
}

/// The form of a watch's frames.
///
/// # Errors
/// 406 when what the client prefers is not spoken, or cannot be streamed.
pub fn stream(headers: &HeaderMap) -> Result<Output, Status> {
    match output(headers)? {
        Output { encoding: Encoding::Yaml, .. } => Err(Status::not_acceptable(ACCEPTED_STREAM)),
        output => Ok(output),
    }
}

/// The form of an answer that has no Table: what a write answers, and statuses.
pub fn error_encoding(headers: &HeaderMap) -> Encoding {
    negotiate(headers).map_or(Encoding::Json, |output| output.encoding)
}

fn negotiate(headers: &HeaderMap) -> Option<Output> {
    let Some(header) = headers.get(ACCEPT) else { return Some(Output::JSON) };
    let header = header.to_str().ok()?;
    if header.is_empty() || header == "*/*" || header == "application/json" {
        return Some(Output::JSON);
    }
    let mut clauses: Vec<(Clause<'_>, usize)> =
        header.split(',').take(CLAUSES_MAX).filter_map(Clause::parse).enumerate().map(|(at, c)| (c, at)).collect();
    clauses.sort_by(|(a, at), (b, bt)| b.quality.cmp(&a.quality).then(at.cmp(bt)));
    clauses.iter().find_map(|(clause, _)| clause.output())
}

#[derive(Debug)]
struct Clause<'a> {
    kind: &'a str,
    subkind: &'a str,
    /// In thousandths.
    quality: u32,
    parameters: &'a str,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (media, parameters) = text.split_once(';').unwrap_or((text, ""));
        let (kind, subkind) = media.trim().split_once('/').unwrap_or((media.trim(), "*"));
        let mut clause = Self { kind, subkind, quality: 1000, parameters };
        if let Some(quality) = clause.parameter("q") {
            let quality = quality.parse::<f32>().ok().filter(|q| *q >= 0.0)?;
            clause.quality = (quality * 1000.0).round() as u32;
        }
        Some(clause)
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.split(';').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key.trim() == name).then(|| value.trim().trim_matches('"'))
        })
    }

    fn output(&self) -> Option<Output> {
        let encoding = match (self.kind, self.subkind) {
            ("*", "*") | ("application", "*") | ("application", "json") => Encoding::Json,
            ("application", "yaml") => Encoding::Yaml,
            _ => return None,
        };
        if self.parameter("stream").is_some_and(|stream| stream != "watch") {
            return None;
        }
        let view = match self.parameter("as") {
            None => View::Object,
            Some(kind) => {
                let version = match (self.parameter("g")?, self.parameter("v")?) {
                    ("meta.k8s.io", "v1") => MetaVersion::V1,
                    ("meta.k8s.io", "v1beta1") => MetaVersion::V1Beta1,
                    _ => return None,
                };
                match kind {
                    "Table" => View::Table(version),
                    "PartialObjectMetadata" => View::Partial(version),
                    "PartialObjectMetadataList" => View::PartialList(version),
                    _ => return None,
                }
            }
        };
        Some(Output { encoding, view })
    }
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// JSON or YAML.
    Text(Format),
    /// `application/vnd.kubernetes.protobuf`
    Protobuf,
}

/// The form of a request body; none means JSON.
///
/// # Errors
/// 415 for everything that is not understood here, CBOR among it.
pub fn input(headers: &HeaderMap) -> Result<Input, Status> {
    match media_type(headers).to_ascii_lowercase().as_str() {
        "" | "application/json" => Ok(Input::Text(Format::Json)),
        "application/yaml" => Ok(Input::Text(Format::Yaml)),
        "application/vnd.kubernetes.protobuf" => Ok(Input::Protobuf),
        _ => Err(Status::unsupported_media_type(ACCEPTED_BODIES)),
    }
}

/// The Content-Type without its parameters.
pub fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_machinery::partial::MetaVersion::{V1, V1Beta1};

    fn ask(accept: &'static str) -> Result<Output, Status> {
        output(&[(ACCEPT, accept.parse().expect("a header"))].into_iter().collect())
    }

    // proves: AM-26
    #[test]
    fn the_best_form_that_is_spoken_wins() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,\
            application/json";
        let cases = [
            ("*/*", Encoding::Json, View::Object),
            ("application/yaml", Encoding::Yaml, View::Object),
            ("application/vnd.kubernetes.protobuf,application/json", Encoding::Json, View::Object),
            ("application/json;q=0.1, application/yaml", Encoding::Yaml, View::Object),
            ("text/html, */*;q=0.8", Encoding::Json, View::Object),
            (table, Encoding::Json, View::Table(V1)),
            ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", Encoding::Json, View::Table(V1Beta1)),
            ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", Encoding::Json, View::Partial(V1)),
            (
                "application/yaml;as=PartialObjectMetadata;g=meta.k8s.io;v=v1beta1",
                Encoding::Yaml,
                View::Partial(V1Beta1),
            ),
            ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Encoding::Json, View::PartialList(V1)),
            ("application/json;as=Table;v=v9;g=meta.k8s.io, application/json", Encoding::Json, View::Object),
        ];
        for (accept, encoding, view) in cases {
            assert_eq!(ask(accept).expect(accept), Output { encoding, view }, "{accept}");
        }
    }

    // proves: AM-30
    #[test]
    fn what_is_not_spoken_is_refused_with_the_list_of_what_is() {
        for accept in
            ["application/vnd.kubernetes.protobuf", "text/html", "application/json;as=Table;v=v9;g=meta.k8s.io"]
        {
            let status = ask(accept).expect_err(accept);
            assert_eq!(status.code, 406);
            assert_eq!(
                status.message,
                "only the following media types are accepted: application/json, application/yaml"
            );
        }
    }

    // proves: AM-30
    #[test]
    fn the_router_refuses_what_a_path_never_answers_with() {
        let admitted = |accept: &'static str, on_collection| {
            let headers = [(ACCEPT, accept.parse().expect("a header"))].into_iter().collect();
            admit_object(&headers, on_collection).map_err(|status| status.message)
        };
        for accept in ["", "*/*", "text/html, */*;q=0.1", "application/json;as=Foo", "application/yaml", PROTOBUF] {
            assert_eq!(admitted(accept, false), Ok(()), "{accept}");
        }
        let text = "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml";
        for accept in ["text/html", "application/*", "application"] {
            assert_eq!(admitted(accept, false), Err(text.to_owned()), "{accept}");
            assert_eq!(admitted(accept, true), Err(format!("{text}, application/json;stream=watch")), "{accept}");
        }
    }

    #[test]
    fn a_watch_streams_what_is_preferred_or_nothing() {
        let ask = |accept: &'static str| stream(&[(ACCEPT, accept.parse().expect("a header"))].into_iter().collect());
        assert_eq!(ask("application/json;stream=watch, application/yaml"), Ok(Output::JSON));
        let refused = |accept| ask(accept).expect_err("it is refused").message;
        for accept in ["application/yaml", "application/yaml, application/json"] {
            assert_eq!(refused(accept), "only the following media types are accepted: application/json;stream=watch");
        }
        let all = "only the following media types are accepted: application/json, application/yaml";
        assert_eq!(refused("application/json;stream=foo"), all);
    }

    #[test]
    fn bodies_are_json_yaml_or_protobuf() {
        let of = |text: &'static str| input(&[(CONTENT_TYPE, text.parse().expect("a header"))].into_iter().collect());
        assert_eq!(of("application/json; charset=utf-8").expect("json"), Input::Text(Format::Json));
        assert_eq!(of("application/yaml").expect("yaml"), Input::Text(Format::Yaml));
        assert_eq!(of("application/vnd.kubernetes.protobuf").expect("protobuf"), Input::Protobuf);
        let status = of("application/cbor").expect_err("CBOR");
        assert_eq!(status.code, 415);
        assert_eq!(
            status.message,
            "the body of the request was in an unknown format - accepted media types include: application/json, \
             application/yaml, application/vnd.kubernetes.protobuf"
        );
    }
}
