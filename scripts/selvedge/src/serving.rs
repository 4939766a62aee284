//! Three replicas and the balancer, as processes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use futures::future::try_join_all;
use selvedge_contract::{Misconfigured, Stop};
use selvedge_web::Client;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::place::Home;
use crate::process::{Launch, Process};

/// The programs that serving needs.
pub(crate) const PROGRAMS: [&str; 2] = ["serve", "balance"];
const REPLICAS: usize = 3;
/// How long servers may take to listen, the loading of libtorch included.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long servers may take to drain after SIGTERM.
const GRACE: Duration = Duration::from_secs(12);
/// Before a server that ended is started again.
const REST: Duration = Duration::from_secs(1);

/// A port that the balancer will have: held until it starts, so that nobody else takes it.
#[derive(Debug)]
pub struct Port(TcpListener);

/// Running replicas and balancer; dropped, they are killed.
#[derive(Debug)]
pub struct Serving {
    /// The balancer's URL.
    pub url: String,
    stop: Stop,
    servers: JoinSet<()>,
    news: mpsc::UnboundedReceiver<String>,
}

/// One server, to be started as often as it ends.
#[derive(Debug)]
struct Server {
    name: String,
    program: PathBuf,
    environment: BTreeMap<String, String>,
    log: PathBuf,
    url: String,
}

impl Port {
    /// Takes `port`, or any free one for 0.
    ///
    /// # Errors
    /// [`Misconfigured`] when somebody else has it.
    pub fn take(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let text = format!("port {port} is taken: stop who listens there, or choose another by --port");
        listener.map(Self).map_err(|error| anyhow::Error::new(Misconfigured::new(error)).context(text))
    }

    fn address(&self) -> anyhow::Result<String> {
        Ok(self.0.local_addr()?.to_string())
    }
}

impl Serving {
    /// Starts three replicas that serve champion log `name`, and the balancer on `port`; waits until all of them listen.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub async fn start(home: &Home, name: &str, port: Port, log: &str) -> anyhow::Result<Self> {
        let (servers, url) = servers(home, name, port, log)?;
        let (stop, (tell, news)) = (Stop::new(), mpsc::unbounded_channel());
        let (urls, logs): (Vec<_>, Vec<_>) = servers.iter().map(|s| (s.url.clone(), s.log.clone())).unzip();
        let mut serving = Self { url, stop, servers: JoinSet::new(), news };
        for server in servers {
            serving.servers.spawn(keep(server, serving.stop.clone(), tell.clone()));
        }
        let client = Client::new(Duration::from_secs(1));
        let up = try_join_all(urls.iter().map(|url| listens(&client, url)));
        tokio::select! {
            up = tokio::time::timeout(PATIENCE, up) => match up {
                Ok(Ok(_)) => Ok(serving),
                Ok(Err(never)) => match never {},
                Err(_) => anyhow::bail!("replicas and balancer do not listen after {PATIENCE:?}, see {}", logs[0].display()),
            },
            Some(news) = serving.news.recv() => anyhow::bail!(news),
        }
    }

    /// What happened to a server, when something does.
    pub async fn news(&mut self) -> String {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }

    /// Drains and ends all servers.
    pub async fn stop(mut self) {
        self.stop.request();
        while self.servers.join_next().await.is_some() {}
    }
}

fn servers(home: &Home, name: &str, port: Port, log: &str) -> anyhow::Result<(Vec<Server>, String)> {
    let ports: Vec<Port> = (0..2 * REPLICAS + 1).map(|_| Port::take(0)).collect::<anyhow::Result<_>>()?;
    let addresses: Vec<String> = ports.iter().map(Port::address).collect::<anyhow::Result<_>>()?;
    let folder = home.work.join("serving");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make folder {}", folder.display()))?;
    let server = |name: String, program: &str, listen: &str, metrics: &str, more: Vec<(&str, String)>| {
        let common = [
            ("STEP_LISTEN", listen),
            ("STEP_METRICS_LISTEN", metrics),
            ("STEP_LOG", log),
            ("STEP_DRAIN_GRACE", "0s"),
        ];
        let common = common.map(|(name, value)| (name, value.to_owned()));
        Server {
            environment: common
                .into_iter()
                .chain(more)
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            program: home.programs.join(program),
            log: folder.join(format!("{name}.log")),
            url: format!("http://{listen}"),
            name,
        }
    };
    let mut all = Vec::new();
    for replica in 0..REPLICAS {
        let called = format!("serve-{replica}");
        let more =
            [("STEP_NAME", name), ("STEP_REPLICA", &called), ("STEP_STORE", home.store.store.as_str())];
        let secrets = home.secrets.clone();
        let mut more: Vec<_> = more.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        more.extend(secrets.iter().map(|(name, value)| (name.as_str(), value.clone())));
        all.push(server(called.clone(), "serve", &addresses[2 * replica], &addresses[2 * replica + 1], more));
    }
    let upstreams: Vec<_> = all.iter().map(|server| format!("{}={}", server.name, server.url)).collect();
    let more = vec![("STEP_UPSTREAMS", upstreams.join(","))];
    let listen = port.address()?;
    all.push(server("balance".to_owned(), "balance", &listen, &addresses[2 * REPLICAS], more));
    // The ports are given up only here, where the servers are about to take them.
    drop((ports, port));
    Ok((all, format!("http://{listen}")))
}

/// Keeps a server running until `stop`.
async fn keep(server: Server, stop: Stop, tell: mpsc::UnboundedSender<String>) {
    while !stop.is_requested() {
        let ended = match server.start() {
            Ok(mut process) => process.end(&stop, GRACE).await.map(|code| format!("exit code {code}")),
            Err(error) => Err(error),
        };
        if stop.is_requested() {
            return;
        }
        let how = ended.unwrap_or_else(|error| error.to_string());
        let words = last_line(&server.log);
        // Nobody listens any more: then nobody wants to know.
        let _ = tell.send(format!("{} ended, {how}: {words}", server.name));
        tokio::select! { () = sleep(REST) => {}, () = stop.requested() => {} }
    }
}

impl Server {
    fn start(&self) -> std::io::Result<Process> {
        let launch = Launch {
            program: &self.program,
            arguments: &[],
            environment: &self.environment,
            log: &self.log,
            niceness: 0,
        };
        Process::start(&launch)
    }
}

async fn listens(client: &Client, url: &str) -> Result<(), std::convert::Infallible> {
    let health = format!("{url}/healthz");
    while client.get(&health, Duration::from_secs(1)).await.is_err() {
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn last_line(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().last().unwrap_or_default().to_owned()
}
