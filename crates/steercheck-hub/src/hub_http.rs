//! What is asked of the hub over HTTP, and what its refusals mean.

use std::fmt::Write as _;
use std::io::Read as _;
use std::time::Duration;

use hf_hub::api::RepoInfo;
use hf_hub::api::sync::{Api, ApiBuilder};
use hf_hub::{Cache, Repo, RepoType};
use ureq::config::RedirectAuthHeaders;
use ureq::http::{HeaderMap, StatusCode, header};
use ureq::{Agent, Body};

use crate::name::{HubName, is_token};
use crate::{HubError, Options};

type Response = ureq::http::Response<Body>;

/// Length of the longest listing or redirect chain that is still believed.
const LONGEST_LISTING: u64 = 32 << 20;
const MOST_REDIRECTS: usize = 5;

/// A connection to one repository.
pub(crate) struct Client {
    agent: Agent,
    api: Api,
    token: Option<String>,
    name: HubName,
}

/// What the hub says of a file before sending it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileMeta {
    /// Where to get it.
    pub(crate) url: String,
    /// Its length.
    pub(crate) size: u64,
    /// Name of its content: the SHA-256 of large files, the git hash of small ones.
    pub(crate) etag: String,
}

impl FileMeta {
    /// The SHA-256, where the hub names the content by it.
    pub(crate) fn sha256(&self) -> Option<&str> {
        let hex = self.etag.len() == 64 && self.etag.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then_some(&self.etag)
    }
}

impl Client {
    pub(crate) fn new(name: &HubName, options: &Options<'_>) -> Result<Self, HubError> {
        let builder =
            ApiBuilder::from_cache(Cache::new(options.hub.cache.clone())).with_token(options.hub.token.clone());
        let builder = match &options.hub.endpoint {
            Some(endpoint) => builder.with_endpoint(endpoint.clone()),
            None => builder,
        };
        let api = builder.build().map_err(|e| HubError::HubAnswer { id: name.id.clone(), said: e.to_string() })?;
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects_will_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .user_agent(concat!("steercheck/", env!("CARGO_PKG_VERSION")))
            // Lengths and ranges are those of the file, not of a compressed transfer.
            .accept_encoding("identity")
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_mins(1)))
            .timeout_per_read(Some(Duration::from_mins(1)))
            .build()
            .into();
        Ok(Self { agent, api, token: options.hub.token.clone(), name: name.clone() })
    }

    /// The files of the repository at the revision, and the commit that this is.
    pub(crate) fn info(&self) -> Result<RepoInfo, HubError> {
        let repo = Repo::with_revision(self.name.id.clone(), RepoType::Model, self.name.revision.clone());
        let request = self.api.repo(repo).info_request();
        let request = request.config().http_status_as_error(false).timeout_global(Some(Duration::from_mins(1))).build();
        let response = request.call().map_err(|e| self.unreachable(&e))?;
        if !response.status().is_success() {
            return Err(self.refusal(&response, None));
        }
        let body = response.into_body().into_reader().take(LONGEST_LISTING);
        let info: RepoInfo =
            serde_json::from_reader(body).map_err(|e| self.unusable(format!("its list of files: {e}")))?;
        if is_token(&info.sha) { Ok(info) } else { Err(self.unusable(format!("commit `{}`", info.sha.escape_debug()))) }
    }

    /// Length and etag of a file. The answer is usually a redirect to the store of large files, and itself carries both;
    /// only redirects within the hub (renamed repositories) are followed.
    pub(crate) fn metadata(&self, commit: &str, file: &str) -> Result<FileMeta, HubError> {
        let repo = Repo::with_revision(self.name.id.clone(), RepoType::Model, commit.to_owned());
        let mut url = self.api.repo(repo).url(&percent_encode(file));
        for _ in 0..MOST_REDIRECTS {
            let request = self.agent.head(&url).config().max_redirects(0).build();
            let request = match &self.token {
                Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
                None => request,
            };
            let response = request.call().map_err(|e| self.unreachable(&e))?;
            let headers = response.headers();
            match text(headers, "location") {
                Some(location) if response.status().is_redirection() && is_relative(location) => {
                    url = format!("{}{location}", origin(&url));
                    continue;
                }
                _ => {}
            }
            if !response.status().is_success() && !response.status().is_redirection() {
                return Err(self.refusal(&response, Some(file)));
            }
            let own_length = if response.status().is_success() { text(headers, "content-length") } else { None };
            let size = text(headers, "x-linked-size").or(own_length).and_then(|size| size.parse().ok());
            let etag = text(headers, "x-linked-etag").or_else(|| text(headers, "etag"));
            let etag = etag
                .map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned())
                .filter(|etag| is_token(etag));
            return match (size, etag) {
                (Some(size), Some(etag)) => Ok(FileMeta { url, size, etag }),
                _ => Err(self.unusable(format!("no length or etag for {file}"))),
            };
        }
        Err(self.unusable(format!("too many redirects for {file}")))
    }

    /// Begins to receive a file from that byte on. The token goes to the hub alone, not to the stores it redirects to.
    pub(crate) fn get(&self, meta: &FileMeta, from: u64) -> Result<Response, ureq::Error> {
        let mut request = self.agent.get(&meta.url);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        request.call()
    }

    /// What a status other than success means; `file` if one was asked for.
    pub(crate) fn refusal(&self, response: &Response, file: Option<&str>) -> HubError {
        let id = self.name.id.clone();
        let code = text(response.headers(), "x-error-code");
        // Without a token the hub answers 401 for a repository that does not exist, since it might be private.
        match (response.status(), code, file) {
            (StatusCode::NOT_FOUND, Some("EntryNotFound"), Some(file)) => {
                HubError::NoSuchHubFile { id, file: file.to_owned(), hint: String::new() }
            }
            (StatusCode::NOT_FOUND, _, _) | (StatusCode::UNAUTHORIZED, Some("RepoNotFound"), _) => {
                HubError::NoSuchHubModel { id, revision: self.name.revision.clone() }
            }
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _, _) => {
                let token =
                    if self.token.is_some() { "the token that was sent does not open it" } else { "no token was sent" };
                HubError::NeedsToken { id, token }
            }
            (status, _, _) => self.unusable(format!("status {status}")),
        }
    }

    pub(crate) fn unusable(&self, said: String) -> HubError {
        HubError::HubAnswer { id: self.name.id.clone(), said }
    }

    fn unreachable(&self, error: &ureq::Error) -> HubError {
        HubError::HubUnreachable { id: self.name.id.clone(), said: error.to_string() }
    }
}

/// A header as text.
pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn is_relative(location: &str) -> bool {
    location.starts_with('/') && !location.starts_with("//")
}

/// `https://host` of an address.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    &url[..url[host..].find('/').map_or(url.len(), |at| host + at)]
}

/// File names may hold spaces, `#` or `%`, which mean something else in an address.
fn percent_encode(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string cannot fail");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_put_together() {
        assert_eq!(origin("http://a:1/b/c"), "http://a:1");
        assert_eq!(origin("http://a"), "http://a");
        assert_eq!(percent_encode("sub/a b#1.gguf"), "sub/a%20b%231.gguf");
        assert!(is_relative("/api/x") && !is_relative("//other/x") && !is_relative("http://other/x"));
    }
}
