//! Whole responses that have no data (GraphQL specification, section 7.1).

use super::{Error, write_errors};
use bytes::Bytes;

/// `{"errors":[…]}`: the operation was never executed.
pub fn request_error_response(errors: &[Error]) -> Bytes {
    response(errors, b"}")
}

/// `{"errors":[…],"data":null}`: it was executed, and an error reached the root.
pub fn null_data_response(errors: &[Error]) -> Bytes {
    response(errors, b",\"data\":null}")
}

fn response(errors: &[Error], end: &[u8]) -> Bytes {
    let mut out = b"{\"errors\":".to_vec();
    write_errors(errors, &mut out);
    out.extend_from_slice(end);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_named_only_when_there_was_an_execution() {
        let errors = [Error::new("no")];
        assert_eq!(&request_error_response(&errors)[..], br#"{"errors":[{"message":"no"}]}"#);
        assert_eq!(&null_data_response(&errors)[..], br#"{"errors":[{"message":"no"}],"data":null}"#);
    }
}
