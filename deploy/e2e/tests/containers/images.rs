//! Images that cannot be had.

use crate::cluster::{Cluster, IMAGE};
use anyhow::{Result, ensure};

const WAITING: &str = ".status.containerStatuses[0].state.waiting";

pub(crate) fn an_image_that_cannot_be_had_is_told_as_upstream_does(cluster: &Cluster) -> Result<()> {
    // Nothing listens on port 1 of this machine.
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: no-image}}
spec:
  imagePullSecrets: [{{name: nobody}}]
  containers: [{{name: c, image: "127.0.0.1:1/nothing:1"}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: bad-image}}
spec:
  containers: [{{name: c, image: "{}"}}]
"#,
        IMAGE.to_uppercase()
    ))?;
    let told = |name: &str| format!("kubectl get pod {name} -o jsonpath='{{{WAITING}.reason}}: {{{WAITING}.message}}'");
    let words = "failed to pull and unpack image \"127.0.0.1:1/nothing:1\": \
        failed to resolve reference \"127.0.0.1:1/nothing:1\": ";
    cluster.until_holds(
        &told("no-image"),
        &format!("ImagePullBackOff: Back-off pulling image \"127.0.0.1:1/nothing:1\": ErrImagePull: {words}"),
    )?;
    let phase = cluster.shell("kubectl get pod no-image --no-headers | awk '{print $2, $3}'")?;
    ensure!(["0/1 ImagePullBackOff\n", "0/1 ErrImagePull\n"].contains(&phase.as_str()), "{phase}");
    let events = "kubectl get events --field-selector involvedObject.name=no-image -o \
        jsonpath='{range .items[*]}{.type} {.reason}: {.message};{end}'";
    for wanted in [
        "Normal Pulling: Pulling image \"127.0.0.1:1/nothing:1\";",
        &format!("Warning Failed: Failed to pull image \"127.0.0.1:1/nothing:1\": {words}"),
        "Warning Failed: Error: ErrImagePull;",
        "Normal BackOff: Back-off pulling image \"127.0.0.1:1/nothing:1\";",
        "Warning Failed: Error: ImagePullBackOff;",
        "Warning FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (nobody); attempting to \
            pull the image may not succeed.;",
    ] {
        cluster.until_holds(events, wanted)?;
    }
    let upper = IMAGE.to_uppercase();
    cluster.until_holds(
        &told("bad-image"),
        &format!(
            "InvalidImageName: Failed to apply default image tag {upper:?}: couldn't parse image name {upper:?}: "
        ),
    )?;
    cluster.until_holds(
        "kubectl get events --field-selector involvedObject.name=bad-image,reason=InspectFailed",
        "invalid reference format",
    )?;
    cluster.shell("kubectl delete pod no-image bad-image --now").map(drop)
}
