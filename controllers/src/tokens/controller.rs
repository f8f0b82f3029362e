//! Watches accounts and their token Secrets; both lead to the account's key.

use super::plan::{self, ACCOUNT_NAME, Claims, Step};
use crate::objects::{annotation, ignore_moved_on, name};
use crate::{Context, Informers, Options};
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Delta, Key, Queue};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client, Error};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Accounts reconciled at a time (upstream: `--concurrent-serviceaccount-token-syncs`).
const WORKERS: usize = 5;

/// Starts the controller. Like upstream's it acts as the controller manager itself: no controller's role may write
/// Secrets.
pub(super) fn start(context: &Context) {
    let controller = Arc::new(Controller {
        client: context.client.clone(),
        informers: Arc::clone(&context.informers),
        options: Arc::clone(&context.options),
        gone: Mutex::default(),
    });
    let queue: Queue<Key> = Queue::new("serviceaccount-token");
    let keys = queue.clone();
    context.informers.service_accounts.on_change(move |delta| keys.add(Key::of(delta.object().as_ref())));
    let (keys, own) = (queue.clone(), Arc::clone(&controller));
    context.informers.token_secrets.on_change(move |delta| {
        let meta = &delta.object().metadata;
        let Some(account) = annotation(meta, ACCOUNT_NAME) else { return };
        let account = Key::new(meta.namespace.clone().unwrap_or_default(), account);
        if matches!(delta, Delta::Deleted(_)) {
            own.gone.lock().entry(account.clone()).or_default().push(name(meta).to_owned());
        }
        keys.add(account);
    });
    worker::start(&queue, WORKERS, &context.supervisor, move |key| {
        let controller = Arc::clone(&controller);
        async move { controller.reconcile(&key).await.map(|()| Next::Wait) }
    });
}

struct Controller {
    client: Client,
    informers: Arc<Informers>,
    options: Arc<Options>,
    /// Secrets that are gone, by account, until the account no longer lists them.
    gone: Mutex<HashMap<Key, Vec<String>>>,
}

impl Controller {
    async fn reconcile(&self, key: &Key) -> Result<(), Error> {
        let account = self.account(key).await?;
        self.drop_references(key, account.as_deref()).await?;
        for secret in self.informers.token_secrets.index().in_namespace(&key.namespace) {
            if annotation(&secret.metadata, ACCOUNT_NAME) != Some(key.name.as_str()) {
                continue;
            }
            match plan::plan(&secret, account.as_deref(), &self.options.root_ca_pem) {
                Step::Nothing => {}
                Step::Delete => self.delete(&secret).await?,
                Step::Fill { token } => {
                    if let Some(account) = &account {
                        self.fill(&secret, account, token).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The account; one that the watch does not show is asked for, because a Secret would be deleted for its lack.
    async fn account(&self, key: &Key) -> Result<Option<Arc<ServiceAccount>>, Error> {
        if let Some(account) = self.informers.service_accounts.index().get(key) {
            return Ok(Some(account));
        }
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &key.namespace);
        Ok(accounts.get_opt(&key.name).await?.map(Arc::new))
    }

    async fn fill(&self, secret: &Secret, account: &ServiceAccount, token: bool) -> Result<(), Error> {
        let token = token.then(|| (self.options.sign_token)(&Claims::of(account, secret))).transpose();
        let token = token.map_err(|error| Error::Service(error.into()))?;
        let filled = plan::filled(secret, account, &self.options.root_ca_pem, token);
        // Carries the version that was looked at: whoever wrote meanwhile brings the Secret back through the watch.
        ignore_moved_on(self.secrets(secret).replace(name(&secret.metadata), &PostParams::default(), &filled).await)
    }

    async fn delete(&self, secret: &Secret) -> Result<(), Error> {
        let preconditions = Preconditions { uid: secret.metadata.uid.clone(), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        ignore_moved_on(self.secrets(secret).delete(name(&secret.metadata), &parameters).await)
    }

    async fn drop_references(&self, key: &Key, account: Option<&ServiceAccount>) -> Result<(), Error> {
        let gone = self.gone.lock().remove(key).unwrap_or_default();
        let Some((account, kept)) = account.and_then(|account| Some((account, plan::without(account, &gone)?))) else {
            return Ok(());
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &key.namespace);
        let changed = ServiceAccount { secrets: Some(kept), ..account.clone() };
        let outcome = accounts.replace(&key.name, &PostParams::default(), &changed).await;
        if outcome.is_err() {
            self.gone.lock().entry(key.clone()).or_default().extend(gone);
        }
        match outcome {
            Err(Error::Api(status)) if status.code == 404 => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    fn secrets(&self, secret: &Secret) -> Api<Secret> {
        Api::namespaced(self.client.clone(), secret.metadata.namespace.as_deref().unwrap_or_default())
    }
}
