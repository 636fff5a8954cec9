//! The routes: what they give, and every way in which they refuse.

use reenact::{ModuleHash, StateHash};

use crate::support::{Game, TOUR, fresh, get, opening, request};

#[tokio::test]
async fn every_refusal_is_a_problem_with_its_code() {
    let (_folder, server) = fresh().await;
    let check = async |method: &str, path: &str, status: u16, code: &str| {
        let response = request(server.address, method, path, &[], b"").await;
        let problem = response.json();
        assert_eq!((response.status, problem["code"].as_str()), (status, Some(code)), "{path}: {problem}");
        assert_eq!(response.header("content-type"), Some("application/problem+json"), "{path}");
        assert_eq!(problem["type"], format!("/problems/{code}"));
        assert!(
            !problem["detail"].as_str().unwrap().is_empty() && !problem["title"].as_str().unwrap().is_empty()
        );
    };
    let nobody = "session-0190163d8694739bb81d4f4d5b6a7c8d";
    let zeros = "0".repeat(64);
    check("GET", "/nothing", 404, "not_found").await;
    check("GET", "/web/nothing.js", 404, "not_found").await;
    check("GET", "/web/../Cargo.toml", 404, "not_found").await;
    check("GET", "/web/%2e%2e/Cargo.toml", 404, "not_found").await;
    check("DELETE", "/v1/sessions", 405, "method_not_allowed").await;
    check("GET", "/v1/record", 400, "bad_request").await;
    check("GET", "/v1/sessions?limit=0", 400, "bad_request").await;
    check("GET", "/v1/sessions?limit=501", 400, "bad_request").await;
    check("GET", "/v1/sessions?limit=x", 400, "bad_request").await;
    check("GET", "/v1/sessions?after=x", 400, "bad_request").await;
    check("GET", "/v1/sessions?unknown=1", 400, "bad_request").await;
    check("GET", "/v1/sessions/x", 400, "bad_request").await;
    check("GET", "/v1/sessions/%ff", 400, "bad_request").await;
    for part in ["", "/inputs", "/hashes", "/marks", "/keyframes", "/replay"] {
        check("GET", &format!("/v1/sessions/{nobody}{part}"), 404, "unknown_session").await;
    }
    check("GET", &format!("/v1/blobs/{zeros}"), 404, "unknown_blob").await;
    check("GET", &format!("/v1/modules/{zeros}"), 404, "unknown_module").await;
    check("GET", "/v1/blobs/00", 400, "bad_request").await;
    check("GET", &format!("/v1/blobs/{}", "A".repeat(64)), 400, "bad_request").await;
    check("POST", "/v1/modules", 422, "module_refused").await;
    server.stop().await;
}

#[tokio::test]
async fn a_module_is_admitted_once_or_refused_with_the_reason() {
    let (_folder, server) = fresh().await;
    let module = wat();
    let first = request(server.address, "POST", "/v1/modules", &[], &module).await;
    let second = request(server.address, "POST", "/v1/modules", &[], &module).await;
    assert_eq!((first.status, second.status), (201, 200), "{}", first.text());
    assert_eq!(first.json(), second.json());
    let hash = ModuleHash::of(&module).to_string();
    assert_eq!(first.json()["module"], hash);
    let original = get(server.address, &format!("/v1/modules/{hash}")).await;
    assert_eq!(original.body, module);
    let etag = original.header("etag").unwrap();
    let path = format!("/v1/modules/{hash}");
    let again = request(server.address, "GET", &path, &[("if-none-match", etag)], b"").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let modules = get(server.address, "/v1/modules").await.json();
    assert_eq!(modules["modules"].as_array().unwrap().len(), 3);
    let broken = request(server.address, "POST", "/v1/modules", &[], b"\0asm\x01\0\0\0").await;
    assert_eq!((broken.status, broken.json()["code"].as_str()), (422, Some("module_refused")));
    assert!(broken.json()["detail"].as_str().unwrap().len() > 20, "{}", broken.text());
    let large = vec![0; (16 << 20) + 1];
    let large = request(server.address, "POST", "/v1/modules", &[], &large).await;
    assert_eq!((large.status, large.json()["code"].as_str()), (413, Some("too_large")));
    server.stop().await;
}

/// A cart that does nothing.
fn wat() -> Vec<u8> {
    // (module (import "env" "memory" (memory 1)) (func (export "update")))
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    module.extend_from_slice(b"\x01\x04\x01\x60\x00\x00");
    module.extend_from_slice(b"\x02\x0f\x01\x03env\x06memory\x02\x00\x01");
    module.extend_from_slice(b"\x03\x02\x01\x00");
    module.extend_from_slice(b"\x07\x0a\x01\x06update\x00\x00");
    module.extend_from_slice(b"\x0a\x04\x01\x02\x00\x0b");
    module
}

#[tokio::test]
async fn the_list_goes_from_the_newest_on_in_pages() {
    let (_folder, server) = fresh().await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        let mut game = Game::tour();
        let mut client = game.open(server.address, &opening()).await.unwrap();
        sessions.insert(0, client.session.clone());
        game.play(&mut client, 5).await.unwrap();
        game.end(client).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut next = String::new();
    loop {
        let page = get(server.address, &format!("/v1/sessions?limit=2{next}")).await.json();
        let page_sessions = page["sessions"].as_array().unwrap();
        assert!(page_sessions.len() <= 2);
        seen.extend(page_sessions.iter().map(|session| session["session"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(after) => next = format!("&after={after}"),
            None => break,
        }
    }
    assert_eq!(seen, sessions);
    server.stop().await;
}

#[tokio::test]
async fn a_session_says_what_a_page_needs_and_what_is_missing() {
    let (folder, server) = fresh().await;
    let mut game = Game::tour();
    let mut client = game.open(server.address, &opening()).await.unwrap();
    let path = format!("/v1/sessions/{}", client.session);
    game.play(&mut client, 61).await.unwrap();
    game.end(client).await.unwrap();
    let session = get(server.address, &path).await.json();
    let rewritten = session["simulation"]["rewritten"].as_str().unwrap();
    let blob = get(server.address, &format!("/v1/blobs/{rewritten}")).await;
    assert_eq!(blob.body, game.module.rewritten());
    let inputs = get(server.address, &format!("{path}/inputs")).await.body;
    let mut rest = &inputs[..];
    let mut next = 0;
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (block, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
        let block = reenact::format::block::InputBlock::decode(game.module.input_schema(), block).unwrap();
        assert_eq!(block.first_tick().0, next);
        (rest, next) = (tail, block.end_tick().0);
    }
    assert_eq!(next, 61);
    let hashes = get(server.address, &format!("{path}/hashes")).await.json();
    let ticks: Vec<_> = hashes["hashes"].as_array().unwrap().iter().map(|row| row[0].clone()).collect();
    assert_eq!(ticks, [0, 60, 61]);
    server.stop().await;
    std::fs::remove_dir_all(folder.path().join("modules")).unwrap();
    let (data, _) = reenact_server::DataDir::open(folder.path()).unwrap();
    let server = reenact_server::Server::with_data(data, "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    let run = tokio::spawn(server.run(std::future::pending()));
    let session = get(address, &path).await.json();
    let obstacle = session["simulation"]["obstacle"].as_str().unwrap();
    assert!(
        obstacle.contains(&ModuleHash::of(TOUR).to_string()) && obstacle.contains("upload"),
        "{obstacle}"
    );
    assert!(session["simulation"]["rewritten"].is_null());
    run.abort();
}

#[tokio::test]
async fn pages_of_other_sites_are_refused_and_every_answer_is_guarded() {
    let (_folder, server) = fresh().await;
    for headers in [&[("origin", "http://evil.example")][..], &[("host", "evil.example")]] {
        let response = request(server.address, "GET", "/v1/sessions", headers, b"").await;
        assert_eq!((response.status, response.json()["code"].as_str()), (403, Some("foreign_origin")));
    }
    for path in ["/", "/v1/sessions", "/nothing"] {
        let response = get(server.address, path).await;
        let policy = response.header("content-security-policy").unwrap();
        assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval'") && !policy.contains("unsafe-inline"));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(get(server.address, "/healthz").await.text(), "ok\n");
    assert_eq!(get(server.address, "/readyz").await.text(), "ready\n");
    let state = StateHash([0; 32]);
    assert_eq!(get(server.address, &format!("/v1/blobs/{state}")).await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_server_begins_on_loopback_alone_and_with_a_whole_secret() {
    let (folder, server) = fresh().await;
    server.stop().await;
    let mut config = reenact_server::Config::new(folder.path());
    config.address = "0.0.0.0:0".parse().unwrap();
    let error = reenact_server::Server::open(config).await.unwrap_err();
    assert!(matches!(error, reenact_server::ServeError::NotLoopback { .. }), "{error}");
    let secret = folder.path().join("secret");
    let mut bytes = std::fs::read(&secret).unwrap();
    bytes[7] ^= 1;
    std::fs::write(&secret, bytes).unwrap();
    let error = reenact_server::DataDir::open(folder.path()).unwrap_err();
    assert!(matches!(error, reenact_server::DataError::Secret { .. }), "{error}");
}
