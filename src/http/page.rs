//! The page of the dev mode: an editor that runs queries and shows subscriptions live.

use bytes::Bytes;

/// The page loads nothing from anywhere and talks to its own origin only.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                                 img-src data:; connect-src 'self' ws: wss:; base-uri 'none'; \
                                 form-action 'none'; frame-ancestors 'none'";

/// The page, told where the GraphQL endpoint is.
pub(super) fn render(graphql_path: &str) -> Bytes {
    let path = graphql_path.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    include_str!("page.html").replace("%GRAPHQL_PATH%", &path).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_knows_its_endpoint_and_loads_nothing() {
        let page = String::from_utf8(render("/a\"<b").to_vec()).expect("UTF-8");
        assert!(page.contains("content=\"/a&quot;&lt;b\""));
        assert!(!page.contains("%GRAPHQL_PATH%"));
        for foreign in ["src=\"http", "href=\"http", "@import", "url(http"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }
}
