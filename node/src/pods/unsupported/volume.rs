//! The fields of one volume.

use super::Refusal;
use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, DownwardAPIProjection, DownwardAPIVolumeFile, DownwardAPIVolumeSource,
    EmptyDirVolumeSource, HostPathVolumeSource, KeyToPath, ProjectedVolumeSource, SecretProjection, SecretVolumeSource,
    ServiceAccountTokenProjection, Volume, VolumeProjection,
};

const KINDS: &str = "only emptyDir, hostPath, configMap, secret, projected and downwardAPI";

pub(super) fn check(volume: &Volume) -> Result<(), Refusal> {
    let Volume {
        name,
        config_map,
        downward_api,
        empty_dir,
        host_path,
        projected,
        secret,
        aws_elastic_block_store: _,
        azure_disk: _,
        azure_file: _,
        cephfs: _,
        cinder: _,
        csi: _,
        ephemeral: _,
        fc: _,
        flex_volume: _,
        flocker: _,
        gce_persistent_disk: _,
        git_repo: _,
        glusterfs: _,
        image: _,
        iscsi: _,
        nfs: _,
        persistent_volume_claim: _,
        photon_persistent_disk: _,
        portworx_volume: _,
        quobyte: _,
        rbd: _,
        scale_io: _,
        storageos: _,
        vsphere_volume: _,
    } = volume;
    let found = if let Some(source) = config_map {
        of_config_map(source)
    } else if let Some(source) = secret {
        of_secret(source)
    } else if let Some(source) = downward_api {
        of_downward_api(source)
    } else if let Some(source) = projected {
        of_projected(source)
    } else if let Some(source) = empty_dir {
        of_empty_dir(source)
    } else if let Some(HostPathVolumeSource { path: _, type_: _ }) = host_path {
        None
    } else {
        Some(KINDS.to_owned())
    };
    found.map_or(Ok(()), |what| Err(Refusal::unsupported(format!("volume {name:?}: {what}"))))
}

fn of_empty_dir(source: &EmptyDirVolumeSource) -> Option<String> {
    let EmptyDirVolumeSource { medium, mode: _, size_limit: _ } = source;
    let medium = medium.as_deref().filter(|medium| !matches!(*medium, "" | "Memory"));
    medium.map(|medium| format!("emptyDir.medium {medium:?}"))
}

fn of_config_map(source: &ConfigMapVolumeSource) -> Option<String> {
    let ConfigMapVolumeSource { default_mode: _, default_user, items, name: _, optional: _ } = source;
    of_owner(*default_user).or_else(|| of_keys(items))
}

fn of_secret(source: &SecretVolumeSource) -> Option<String> {
    let SecretVolumeSource { default_mode: _, default_user, items, optional: _, secret_name: _ } = source;
    of_owner(*default_user).or_else(|| of_keys(items))
}

fn of_downward_api(source: &DownwardAPIVolumeSource) -> Option<String> {
    let DownwardAPIVolumeSource { default_mode: _, default_user, items } = source;
    of_owner(*default_user).or_else(|| of_fields(items))
}

fn of_projected(source: &ProjectedVolumeSource) -> Option<String> {
    let ProjectedVolumeSource { default_mode: _, default_user, sources } = source;
    of_owner(*default_user).or_else(|| sources.iter().flatten().find_map(of_projection))
}

fn of_projection(source: &VolumeProjection) -> Option<String> {
    let VolumeProjection {
        cluster_trust_bundle,
        config_map,
        downward_api,
        pod_certificate,
        secret,
        service_account_token,
    } = source;
    if cluster_trust_bundle.is_some() {
        return Some("projected clusterTrustBundle".to_owned());
    }
    if pod_certificate.is_some() {
        return Some("projected podCertificate".to_owned());
    }
    if let Some(ConfigMapProjection { items, name: _, optional: _ }) = config_map {
        return of_keys(items);
    }
    if let Some(SecretProjection { items, name: _, optional: _ }) = secret {
        return of_keys(items);
    }
    if let Some(DownwardAPIProjection { items }) = downward_api {
        return of_fields(items);
    }
    let ServiceAccountTokenProjection { audience: _, expiration_seconds: _, path: _, user } =
        service_account_token.as_ref()?;
    user.map(|_| "serviceAccountToken.user".to_owned())
}

fn of_keys(items: &Option<Vec<KeyToPath>>) -> Option<String> {
    let of_item = |item: &KeyToPath| {
        let KeyToPath { key: _, mode: _, path: _, user } = item;
        user.is_some()
    };
    items.iter().flatten().any(of_item).then(|| "items.user".to_owned())
}

fn of_fields(items: &Option<Vec<DownwardAPIVolumeFile>>) -> Option<String> {
    let of_item = |item: &DownwardAPIVolumeFile| {
        let DownwardAPIVolumeFile { field_ref: _, mode: _, path: _, resource_field_ref: _, user } = item;
        user.is_some()
    };
    items.iter().flatten().any(of_item).then(|| "items.user".to_owned())
}

fn of_owner(user: Option<i64>) -> Option<String> {
    user.map(|_| "defaultUser".to_owned())
}
