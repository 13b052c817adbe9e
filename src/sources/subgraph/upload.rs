//! Requests with files to subgraphs, in the form of the GraphQL multipart request specification.
//!
//! A file goes out as it comes in; nothing of it is kept here.

use super::exchange::RequestBody;
use crate::{
    graphql::{
        FileBroken, FilePiece, FileStream, Uploads,
        json::{Document, Kind, NodeId, write_string},
    },
    resolve::FetchError,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderValue, Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Either, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;

/// Subgraphs that guard against the forms of foreign pages want to see a header that those cannot have.
const PREFLIGHT: &str = "apollo-require-preflight";

/// The body of a request with files.
pub(super) type FormBody = UnsyncBoxBody<Bytes, FileBroken>;

/// The request with its files.
pub(super) fn attach(request: Request<Bytes>, uploads: &Uploads) -> Result<Request<RequestBody>, FetchError> {
    let (mut head, body) = request.into_parts();
    let form = form(body, uploads)?;
    head.headers.insert(CONTENT_TYPE, form.content_type);
    head.headers.insert(PREFLIGHT, HeaderValue::from_static("true"));
    Ok(Request::from_parts(head, Either::Right(form.body)))
}

struct Form {
    content_type: HeaderValue,
    body: FormBody,
}

/// Turns a body whose variables have tickets into a form with the files.
fn form(request: Bytes, uploads: &Uploads) -> Result<Form, FetchError> {
    let mut document = Document::new();
    let malformed = |_| FetchError::Malformed("the request with files is no JSON".to_owned());
    let root = document.parse(request).map_err(malformed)?;
    let mut places = Vec::new();
    if let Some(variables) = document.get(root, "variables") {
        find_tickets(&document, variables, "variables", uploads, &mut places);
    }
    let files = redeem(uploads, &places)?;
    for place in &places {
        let null = document.new_null();
        document.replace(place.node, null);
    }
    let mut operations = Vec::new();
    document.write(root, &mut operations);
    if !uploads.named_in(&operations).is_empty() {
        return Err(FetchError::Files("one of them stands outside of the variables"));
    }
    let boundary = boundary(uploads);
    let start =
        [text_part(&boundary, "operations", &operations), text_part(&boundary, "map", &map(&files, &places))];
    let pieces = stream::iter(start).map(Ok).chain(files_and_end(boundary.clone(), files));
    let content_type = HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"));
    Ok(Form {
        content_type: content_type.map_err(|_| FetchError::Malformed("no boundary".to_owned()))?,
        body: StreamBody::new(pieces.map(|it| it.map(Frame::data))).boxed_unsync(),
    })
}

/// A ticket in the variables.
struct Place {
    node: NodeId,
    path: String,
    file: usize,
}

fn find_tickets(document: &Document, node: NodeId, path: &str, uploads: &Uploads, places: &mut Vec<Place>) {
    match document.kind(node) {
        Kind::String => {
            if let Some(file) = document.as_str(node).and_then(|it| uploads.index_of(&it)) {
                places.push(Place { node, path: path.to_owned(), file });
            }
        }
        Kind::Object => {
            for (name, child) in document.entries(node) {
                find_tickets(document, child, &format!("{path}.{name}"), uploads, places);
            }
        }
        Kind::Array => {
            for (index, child) in document.children(node).enumerate() {
                find_tickets(document, child, &format!("{path}.{index}"), uploads, places);
            }
        }
        Kind::Null | Kind::Bool | Kind::Number => {}
    }
}

/// The files of these places in the order in which they arrive, each once.
fn redeem(uploads: &Uploads, places: &[Place]) -> Result<Vec<(usize, FileStream)>, FetchError> {
    let mut numbers: Vec<usize> = places.iter().map(|it| it.file).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let file = |number: usize| {
        let file = uploads.redeem(number);
        let spent = || FetchError::Files("a file can be sent to one subgraph, once");
        file.map(|it| (number, it)).ok_or_else(spent)
    };
    numbers.into_iter().map(file).collect()
}

/// `{"0":["variables.file"]}`: files are named by their place among those of this request.
fn map(files: &[(usize, FileStream)], places: &[Place]) -> Vec<u8> {
    let mut out = b"{".to_vec();
    for (name, (number, _)) in files.iter().enumerate() {
        out.extend_from_slice(format!("{}\"{name}\":[", if name > 0 { "," } else { "" }).as_bytes());
        for (index, place) in places.iter().filter(|it| it.file == *number).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_string(&place.path, &mut out);
        }
        out.push(b']');
    }
    out.push(b'}');
    out
}

/// Text that stands in no file: its client never sees it.
fn boundary(uploads: &Uploads) -> String {
    format!("juga-{}", uploads.nonce())
}

fn text_part(boundary: &str, name: &str, content: &[u8]) -> Bytes {
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: application/json\r\n\r\n"
    );
    [head.as_bytes(), content, b"\r\n"].concat().into()
}

fn files_and_end(
    boundary: String,
    files: Vec<(usize, FileStream)>,
) -> impl Stream<Item = Result<Bytes, FileBroken>> + Send {
    let end = Bytes::from(format!("--{boundary}--\r\n"));
    let files = stream::iter(files.into_iter().enumerate()).flat_map(move |(name, (_, file))| {
        let boundary = boundary.clone();
        let pieces = file.map(move |it| it.map(|it| written(&boundary, name, it)));
        pieces.chain(stream::iter([Ok(Bytes::from_static(b"\r\n"))]))
    });
    files.chain(stream::iter([Ok(end)]))
}

fn written(boundary: &str, name: usize, piece: FilePiece) -> Bytes {
    let (file_name, content_type) = match piece {
        FilePiece::Bytes(bytes) => return bytes,
        FilePiece::Head { file_name, content_type } => (file_name, content_type),
    };
    let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"");
    if let Some(file_name) = file_name {
        head.push_str(&format!("; filename=\"{}\"", escaped(&file_name)));
    }
    if let Some(content_type) = content_type.filter(|it| it.bytes().all(|it| matches!(it, b' '..=b'~'))) {
        head.push_str(&format!("\r\nContent-Type: {content_type}"));
    }
    head.push_str("\r\n\r\n");
    head.into()
}

/// As browsers write it.
fn escaped(file_name: &str) -> String {
    file_name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: Option<&str>, content: &'static str) -> FileStream {
        let head =
            FilePiece::Head { file_name: name.map(Into::into), content_type: Some("text/plain".into()) };
        Box::pin(stream::iter([Ok(head), Ok(FilePiece::Bytes(content.into()))]))
    }

    fn ticket(index: usize) -> String {
        Uploads::ticket("n", index)
    }

    fn collected(form: Form) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        let body = runtime.block_on(form.body.collect()).expect("files that are whole");
        String::from_utf8(body.to_bytes().to_vec()).expect("UTF-8")
    }

    #[test]
    fn tickets_become_files_in_the_order_in_which_they_arrive() {
        let uploads = Uploads::new(
            "n",
            vec![file(None, "not wanted"), file(Some("a\"\r\nb"), "one"), file(None, "two")],
        );
        let request = format!(
            r#"{{"query":"m","variables":{{"b":["{}",1,"{}"],"a":"{}"}}}}"#,
            ticket(2),
            ticket(1),
            ticket(2)
        );
        let form = form(request.into(), &uploads).expect("files");
        assert_eq!(form.content_type, "multipart/form-data; boundary=juga-n");
        let expected = concat!(
            "--juga-n|Content-Disposition: form-data; name=\"operations\"|Content-Type: application/json||",
            r#"{"query":"m","variables":{"b":[null,1,null],"a":null}}"#,
            "|--juga-n|Content-Disposition: form-data; name=\"map\"|Content-Type: application/json||",
            r#"{"0":["variables.b.2"],"1":["variables.b.0","variables.a"]}"#,
            "|--juga-n|Content-Disposition: form-data; name=\"0\"; filename=\"a%22%0D%0Ab\"",
            "|Content-Type: text/plain||one",
            "|--juga-n|Content-Disposition: form-data; name=\"1\"|Content-Type: text/plain||two|--juga-n--|",
        );
        assert_eq!(collected(form), expected.replace('|', "\r\n"));
        assert!(uploads.redeem(0).is_some(), "nobody else's file was taken");
    }

    #[test]
    fn a_ticket_that_cannot_be_redeemed_goes_nowhere() {
        let uploads = Uploads::new("n", vec![file(None, "one")]);
        for request in [
            format!(r#"{{"query":"{{f(a:\"{}\")}}","variables":{{"a":"{}"}}}}"#, ticket(0), ticket(0)),
            format!(r#"{{"query":"m","extensions":{{"a":"{}"}}}}"#, ticket(0)),
            format!(r#"{{"query":"m","variables":{{"a":"{}"}}}}"#, ticket(1)),
        ] {
            assert!(matches!(form(request.clone().into(), &uploads), Err(FetchError::Files(_))), "{request}");
        }
    }

    #[test]
    fn a_file_goes_to_one_subgraph_only_and_breaks_off_aloud() {
        let uploads = Uploads::new("n", vec![Box::pin(stream::iter([Err(FileBroken)]))]);
        let request = Bytes::from(format!(r#"{{"query":"m","variables":{{"a":"{}"}}}}"#, ticket(0)));
        let first = form(request.clone(), &uploads).expect("the file");
        assert!(matches!(form(request, &uploads), Err(FetchError::Files(_))));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        assert_eq!(runtime.block_on(first.body.collect()).err(), Some(FileBroken));
    }
}
