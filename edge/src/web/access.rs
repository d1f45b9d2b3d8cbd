//! Who may see a board's page and figures.
//!
//! On the loopback interface whoever asks may, by a name of the loopback interface only: a page from elsewhere that gives its
//! own name our address (DNS rebinding) must not read along. Beyond it a program shows a token, and a person a password, for
//! which a session is begun. What a session has opened ends with it.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use argon2::password_hash::{PasswordVerifier, phc::PasswordHash};
use argon2::{Argon2, Params};
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::http::header::{
    ACCEPT, AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderValue, ORIGIN, SET_COOKIE,
    WWW_AUTHENTICATE,
};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use governor::clock::DefaultClock;
use governor::state::keyed::HashMapStateStore;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use rand::RngCore;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Site, page, say};
use crate::mqtt::is_loopback_name;
use crate::named_file::Secret;

/// The cookie of a session.
const COOKIE_NAME: &str = "smearscope-session";
/// How long a session lasts: a working day.
const SESSION: Duration = Duration::from_secs(12 * 60 * 60);
/// The oldest session ends where there are more.
const MOST_SESSIONS: usize = 64;
/// Passwords that one address may try in a second, over a longer time.
const TRIES: NonZeroU32 = NonZeroU32::new(1).expect("not zero");
/// Those that it may try at once.
const BURST: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
/// What all together may: who has many addresses must not keep the board busy.
const ALL_TRIES: NonZeroU32 = NonZeroU32::new(5).expect("not zero");
/// Of so many addresses it is remembered what they tried.
const MOST_ADDRESSES: usize = 1000;
/// The most memory in KiB that the check of a password may take: the board has little, and the hash says how much.
const MOST_MEMORY: u32 = 128 << 10;

/// Who may see what is served.
pub enum Access {
    /// Whoever asks by a name of the loopback interface.
    Loopback,
    /// Who shows one of these.
    Guarded(Box<Guard>),
}

/// What must be shown.
pub struct Guard {
    token: Option<Secret>,
    password: Option<HashedPassword>,
    sessions: Mutex<Vec<Session>>,
    tries: RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock>,
    all_tries: DefaultDirectRateLimiter,
    /// One check at a time: it takes memory.
    checking: Arc<Semaphore>,
    /// Whether a cookie may go by TLS only.
    is_encrypted: bool,
}

struct Session {
    /// Of what the cookie holds, so that a look at the memory gives no session away.
    hash: [u8; 32],
    until: Instant,
    /// Cancelled when it ends early.
    ended: CancellationToken,
}

/// How long a client is let in, noted in its request.
#[derive(Clone, Default)]
pub struct Admission {
    ended: CancellationToken,
    until: Option<Instant>,
}

impl Admission {
    /// Waits for its end.
    pub async fn is_over(&self) {
        let time_is_up = async {
            match self.until {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.ended.cancelled() => {}
            () = time_is_up => {}
        }
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// A password as Argon2 leaves it.
#[derive(Clone, Debug)]
pub struct HashedPassword(Arc<PasswordHash>);

impl HashedPassword {
    /// Reads a hash in the PHC string format, `$argon2id$v=19$m=…`.
    ///
    /// # Errors
    /// What is wrong with it, in words that don't quote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let hash =
            PasswordHash::new(text.trim()).map_err(|_| "it is no hash of a password".to_owned())?;
        if !hash.algorithm.as_str().starts_with("argon2") || hash.hash.is_none() {
            return Err("it is no hash that Argon2 made".into());
        }
        let params = Params::try_from(&hash)
            .map_err(|_| "its parameters are none of Argon2's".to_owned())?;
        if params.m_cost() > MOST_MEMORY {
            return Err(format!(
                "to check it would take {} MB of memory, and no more than {} are to be had",
                params.m_cost() >> 10,
                MOST_MEMORY >> 10
            ));
        }
        Ok(Self(Arc::new(hash)))
    }

    fn fits(&self, password: &str) -> bool {
        Argon2::default()
            .verify_password(password.as_bytes(), &*self.0)
            .is_ok()
    }
}

impl Access {
    /// Whoever shows the token or has signed in with the password; without both, the loopback interface.
    pub fn new(
        token: Option<Secret>,
        password: Option<HashedPassword>,
        is_encrypted: bool,
    ) -> Self {
        if token.is_none() && password.is_none() {
            return Self::Loopback;
        }
        Self::Guarded(Box::new(Guard {
            token,
            password,
            sessions: Mutex::default(),
            tries: RateLimiter::hashmap(Quota::per_second(TRIES).allow_burst(BURST)),
            all_tries: RateLimiter::direct(Quota::per_second(ALL_TRIES).allow_burst(BURST)),
            checking: Arc::new(Semaphore::new(1)),
            is_encrypted,
        }))
    }

    /// Whether one can sign in.
    pub fn has_login(&self) -> bool {
        matches!(self, Self::Guarded(guard) if guard.password.is_some())
    }
}

impl Guard {
    fn lets_in(&self, headers: &HeaderMap) -> Option<Admission> {
        let shows_token = self.token.as_ref().is_some_and(|token| {
            let shown = headers
                .get(AUTHORIZATION)
                .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
            // In a time that tells nothing of how much of it was right.
            shown.is_some_and(|shown| shown.ct_eq(token.expose().as_bytes()).into())
        });
        if shows_token {
            return Some(Admission::default());
        }
        self.session(&session_of(headers)?)
    }

    fn session(&self, hash: &[u8; 32]) -> Option<Admission> {
        let now = Instant::now();
        let sessions = self.sessions();
        let mut live = sessions.iter().filter(|session| session.until > now);
        let found = live.find(|session| session.hash == *hash)?;
        Some(Admission {
            ended: found.ended.clone(),
            until: Some(found.until),
        })
    }

    /// Begins a session; gives what its cookie holds.
    fn begin(&self) -> String {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        let id = hex::encode(secret);
        let now = Instant::now();
        let mut sessions = self.sessions();
        sessions.retain(|session| session.until > now);
        if sessions.len() >= MOST_SESSIONS {
            sessions.remove(0).ended.cancel();
        }
        sessions.push(Session {
            hash: Sha256::digest(&id).into(),
            until: now + SESSION,
            ended: CancellationToken::new(),
        });
        id
    }

    fn end(&self, headers: &HeaderMap) {
        if let Some(hash) = session_of(headers) {
            self.sessions().retain(|session| {
                let stays = session.hash != hash;
                if !stays {
                    session.ended.cancel();
                }
                stays
            });
        }
    }

    fn cookie(&self, value: &str, seconds: u64) -> HeaderValue {
        let secure = if self.is_encrypted { "; Secure" } else { "" };
        let cookie = format!(
            "{COOKIE_NAME}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"
        );
        HeaderValue::try_from(cookie).expect("hexadecimal digits and words of ours")
    }

    /// Each change is a single one: nothing is ever half done.
    fn sessions(&self) -> MutexGuard<'_, Vec<Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hash of the session that a request claims.
fn session_of(headers: &HeaderMap) -> Option<[u8; 32]> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
        .map(|id| Sha256::digest(id).into())
}

/// Lets a request pass that may: see the module.
pub async fn check(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let admission = match &site.access {
        Access::Loopback if is_loopback(headers.get(HOST), request.uri()) => Admission::default(),
        Access::Loopback => {
            return say(
                StatusCode::MISDIRECTED_REQUEST,
                "this is served by the name localhost or an address of the loopback interface only",
            );
        }
        Access::Guarded(guard) => match guard.lets_in(headers) {
            Some(admission) => admission,
            None => return shut_out(guard, &request),
        },
    };
    request.extensions_mut().insert(admission);
    next.run(request).await
}

/// What who is not let in is told.
fn shut_out(guard: &Guard, request: &Request) -> Response {
    // Only who looks at a page can do something with another page.
    let accepted = request.headers().get(ACCEPT);
    let accepted = accepted.and_then(|value| value.to_str().ok());
    let is_person = accepted.is_some_and(|accepted| accepted.contains("text/html"));
    if guard.password.is_some() && is_person && request.method() == Method::GET {
        return Redirect::to("/login").into_response();
    }
    let mut response = say(StatusCode::UNAUTHORIZED, "a token or a password is needed");
    response
        .headers_mut()
        .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Whether a request names the loopback interface as its host.
fn is_loopback(host: Option<&HeaderValue>, uri: &Uri) -> bool {
    // A client of before HTTP/1.1 names none; a browser always does.
    let Some(host) = host else {
        return uri.host().is_none();
    };
    let name = host.to_str().ok().and_then(|host| host.parse().ok());
    name.is_some_and(|authority: axum::http::uri::Authority| {
        is_loopback_name(authority.host().trim_matches(['[', ']']))
    })
}

/// Stops what another site's page makes a browser send: whatever changes something, and a WebSocket, comes from our own page
/// or from no page at all.
pub async fn same_site(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_read =
        matches!(*request.method(), Method::GET | Method::HEAD) && !headers.contains_key("upgrade");
    let is_foreign = headers.get(ORIGIN).is_some_and(|origin| {
        let host = headers.get(HOST).map_or(&b""[..], HeaderValue::as_bytes);
        let origin = origin.as_bytes();
        let named = origin
            .strip_prefix(b"http://")
            .or_else(|| origin.strip_prefix(b"https://"));
        named != Some(host)
    });
    if is_foreign && !is_read {
        return say(
            StatusCode::FORBIDDEN,
            "that was asked for by another site's page",
        );
    }
    next.run(request).await
}

/// The page to sign in at.
pub async fn login_page(State(site): State<Arc<Site>>) -> Response {
    if site.access.has_login() {
        page::sign_in(None)
    } else {
        Redirect::to("/").into_response()
    }
}

/// What is typed there.
#[derive(Deserialize)]
pub struct Login {
    password: String,
}

/// Begins a session for the right password.
pub async fn login(
    State(site): State<Arc<Site>>,
    Extension(Peer(peer)): Extension<Peer>,
    Form(login): Form<Login>,
) -> Response {
    let Access::Guarded(guard) = &site.access else {
        return Redirect::to("/").into_response();
    };
    let Some(password) = guard.password.clone() else {
        return say(StatusCode::NOT_FOUND, "nobody can sign in here");
    };
    if guard.tries.len() > MOST_ADDRESSES {
        guard.tries.retain_recent();
    }
    if guard.tries.check_key(&peer).is_err() || guard.all_tries.check().is_err() {
        let mut response = page::sign_in(Some((
            "Too many tries: wait a few seconds.",
            "Trop d'essais : patientez quelques secondes.",
        )));
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        return response;
    }
    let turn = Arc::clone(&guard.checking).acquire_owned().await;
    // The turn goes along: a check goes on when its client is gone.
    let tried = tokio::task::spawn_blocking(move || {
        let fits = password.fits(&login.password);
        drop(turn);
        fits
    });
    if !tried.await.unwrap_or(false) {
        warn!("somebody at {peer} tried a wrong password for the page");
        let mut response = page::sign_in(Some(("Wrong password.", "Mot de passe incorrect.")));
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        return response;
    }
    info!("somebody at {peer} has signed in to the page");
    let cookie = guard.cookie(&guard.begin(), SESSION.as_secs());
    ([(SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

/// Ends the session.
pub async fn logout(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let Access::Guarded(guard) = &site.access else {
        return Redirect::to("/").into_response();
    };
    guard.end(&headers);
    let cookie = guard.cookie("", 0);
    ([(SET_COOKIE, cookie)], Redirect::to("/login")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(axum::http::HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::try_from(*value).unwrap()))
            .collect()
    }

    #[test]
    fn loopback_is_known_by_its_names_only() {
        let is = |host: &str| {
            is_loopback(
                Some(&HeaderValue::try_from(host).unwrap()),
                &Uri::from_static("/"),
            )
        };
        for good in [
            "localhost",
            "localhost:8787",
            "127.0.0.1:80",
            "127.9.9.9",
            "[::1]:9",
            "[::1]",
        ] {
            assert!(is(good), "{good}");
        }
        for bad in [
            "evil.example",
            "evil.example:8787",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "",
            "a b",
            "localhost.evil",
        ] {
            assert!(!is(bad), "{bad}");
        }
        assert!(is_loopback(None, &Uri::from_static("/")));
    }

    #[test]
    fn sessions_are_known_by_their_cookie_and_end() {
        let Access::Guarded(guard) = Access::new(Some("0123456789abcdef".into()), None, false)
        else {
            panic!("a token guards");
        };
        let id = guard.begin();
        let cookie = format!("other=1; {COOKIE_NAME}={id}; last=2");
        let known = headers(&[(COOKIE, &cookie)]);
        assert!(guard.lets_in(&known).is_some());
        for bad in ["", "x", &id[1..], &format!("{id}0")] {
            let cookie = format!("{COOKIE_NAME}={bad}");
            assert!(
                guard.lets_in(&headers(&[(COOKIE, &cookie)])).is_none(),
                "{bad}"
            );
        }
        let similar = format!("{COOKIE_NAME}x={id}");
        assert!(guard.lets_in(&headers(&[(COOKIE, &similar)])).is_none());
        let admission = guard.lets_in(&known).unwrap();
        guard.end(&known);
        assert!(guard.lets_in(&known).is_none() && admission.ended.is_cancelled());
        // The newest stay.
        let first = guard.begin();
        let others: Vec<String> = (0..MOST_SESSIONS).map(|_| guard.begin()).collect();
        let lets_in = |id: &str| {
            guard
                .lets_in(&headers(&[(COOKIE, &format!("{COOKIE_NAME}={id}"))]))
                .is_some()
        };
        assert!(!lets_in(&first) && others.iter().all(|id| lets_in(id)));
    }

    #[test]
    fn hashes_are_argon2_s_and_take_no_memory_that_is_not_there() {
        // Of "correct horse", made by Argon2 with m = 64 KiB, t = 1.
        let hash =
            crate::password::hash_with("correct horse", Params::new(64, 1, 1, None).unwrap())
                .unwrap();
        let password = HashedPassword::parse(&format!("{hash}\n")).unwrap();
        assert!(password.fits("correct horse"));
        assert!(!password.fits("correct hors") && !password.fits(""));
        let costly = hash.replace("m=64", "m=4194304");
        assert!(
            HashedPassword::parse(&costly)
                .unwrap_err()
                .contains("memory")
        );
        for bad in [
            "",
            "secret",
            "$2b$12$abcdefghijklmnopqrstuv",
            "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ",
        ] {
            let error = HashedPassword::parse(bad).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
