//! Fields whose types have names of their own in Go, which its complaints about wrong types tell.

/// The name of a field's type, where it is not the plain one. `definition` is the short name.
pub(super) fn named(definition: &str, field: &str) -> Option<&'static str> {
    let (_, fields) = NAMES.iter().find(|(name, _)| *name == definition)?;
    fields.iter().find(|(name, _)| *name == field).map(|(_, go)| *go)
}

const NAMES: &[(&str, &[(&str, &str)])] = &[
    ("AppArmorProfile", &[("type", "v1.AppArmorProfileType")]),
    ("AttachedVolume", &[("name", "v1.UniqueVolumeName")]),
    ("AzureDiskVolumeSource", &[("cachingMode", "v1.AzureDataDiskCachingMode"), ("kind", "v1.AzureDataDiskKind")]),
    ("Capabilities", &[("add", "[]v1.Capability"), ("drop", "[]v1.Capability")]),
    ("Condition", &[("status", "v1.ConditionStatus")]),
    ("ConfigMapNodeConfigSource", &[("uid", "types.UID")]),
    (
        "Container",
        &[
            ("imagePullPolicy", "v1.PullPolicy"),
            ("restartPolicy", "v1.ContainerRestartPolicy"),
            ("terminationMessagePolicy", "v1.TerminationMessagePolicy"),
        ],
    ),
    ("ContainerPort", &[("protocol", "v1.Protocol")]),
    (
        "ContainerResizePolicy",
        &[("resourceName", "v1.ResourceName"), ("restartPolicy", "v1.ResourceResizeRestartPolicy")],
    ),
    ("ContainerRestartRule", &[("action", "v1.ContainerRestartRuleAction")]),
    ("ContainerRestartRuleOnExitCodes", &[("operator", "v1.ContainerRestartRuleOnExitCodesOperator")]),
    ("ContainerStatus", &[("allocatedResources", "v1.ResourceList"), ("stopSignal", "v1.Signal")]),
    ("DeploymentCondition", &[("status", "v1.ConditionStatus"), ("type", "v1.DeploymentConditionType")]),
    ("DeploymentStrategy", &[("type", "v1.DeploymentStrategyType")]),
    ("EmptyDirVolumeSource", &[("medium", "v1.StorageMedium")]),
    ("EndpointPort", &[("protocol", "v1.Protocol")]),
    ("EndpointSlice", &[("addressType", "v1.AddressType")]),
    (
        "EphemeralContainer",
        &[
            ("imagePullPolicy", "v1.PullPolicy"),
            ("restartPolicy", "v1.ContainerRestartPolicy"),
            ("terminationMessagePolicy", "v1.TerminationMessagePolicy"),
        ],
    ),
    ("FieldSelectorRequirement", &[("operator", "v1.FieldSelectorOperator")]),
    ("GRPCAction", &[("mode", "v1.GRPCProbeMode")]),
    ("HTTPGetAction", &[("protocol", "v1.HTTPProtocol"), ("scheme", "v1.URIScheme")]),
    ("HostPathVolumeSource", &[("type", "v1.HostPathType")]),
    ("ImageVolumeSource", &[("pullPolicy", "v1.PullPolicy")]),
    ("LabelSelectorRequirement", &[("operator", "v1.LabelSelectorOperator")]),
    ("LeaseSpec", &[("strategy", "v1.CoordinatedLeaseStrategy")]),
    ("Lifecycle", &[("stopSignal", "v1.Signal")]),
    ("LoadBalancerIngress", &[("ipMode", "v1.LoadBalancerIPMode")]),
    ("ManagedFieldsEntry", &[("operation", "v1.ManagedFieldsOperationType")]),
    ("NamespaceCondition", &[("status", "v1.ConditionStatus"), ("type", "v1.NamespaceConditionType")]),
    ("NamespaceSpec", &[("finalizers", "[]v1.FinalizerName")]),
    ("NamespaceStatus", &[("phase", "v1.NamespacePhase")]),
    ("NodeAddress", &[("type", "v1.NodeAddressType")]),
    ("NodeAllocatableMappedResources", &[("name", "v1.ResourceName")]),
    ("NodeAllocatableOverheadResources", &[("name", "v1.ResourceName")]),
    ("NodeCondition", &[("status", "v1.ConditionStatus"), ("type", "v1.NodeConditionType")]),
    ("NodeSelectorRequirement", &[("operator", "v1.NodeSelectorOperator")]),
    (
        "NodeStatus",
        &[
            ("allocatable", "v1.ResourceList"),
            ("capacity", "v1.ResourceList"),
            ("phase", "v1.NodePhase"),
            ("volumesInUse", "[]v1.UniqueVolumeName"),
        ],
    ),
    ("ObjectMeta", &[("uid", "types.UID")]),
    ("ObjectReference", &[("uid", "types.UID")]),
    ("OwnerReference", &[("uid", "types.UID")]),
    (
        "PersistentVolumeClaimSpec",
        &[("accessModes", "[]v1.PersistentVolumeAccessMode"), ("volumeMode", "v1.PersistentVolumeMode")],
    ),
    ("PodCondition", &[("status", "v1.ConditionStatus"), ("type", "v1.PodConditionType")]),
    ("PodOS", &[("name", "v1.OSName")]),
    ("PodReadinessGate", &[("conditionType", "v1.PodConditionType")]),
    (
        "PodSecurityContext",
        &[
            ("fsGroupChangePolicy", "v1.PodFSGroupChangePolicy"),
            ("seLinuxChangePolicy", "v1.PodSELinuxChangePolicy"),
            ("supplementalGroupsPolicy", "v1.SupplementalGroupsPolicy"),
        ],
    ),
    (
        "PodSpec",
        &[
            ("dnsPolicy", "v1.DNSPolicy"),
            ("overhead", "v1.ResourceList"),
            ("preemptionPolicy", "v1.PreemptionPolicy"),
            ("restartPolicy", "v1.RestartPolicy"),
        ],
    ),
    (
        "PodStatus",
        &[
            ("allocatedResources", "v1.ResourceList"),
            ("phase", "v1.PodPhase"),
            ("qosClass", "v1.PodQOSClass"),
            ("resize", "v1.PodResizeStatus"),
        ],
    ),
    ("PortStatus", &[("protocol", "v1.Protocol")]),
    ("PriorityClass", &[("preemptionPolicy", "v1.PreemptionPolicy")]),
    ("ReplicaSetCondition", &[("status", "v1.ConditionStatus"), ("type", "v1.ReplicaSetConditionType")]),
    ("ResourceHealth", &[("health", "v1.ResourceHealthStatus"), ("resourceID", "v1.ResourceID")]),
    ("ResourceRequirements", &[("limits", "v1.ResourceList"), ("requests", "v1.ResourceList")]),
    ("ResourceStatus", &[("name", "v1.ResourceName")]),
    ("SeccompProfile", &[("type", "v1.SeccompProfileType")]),
    ("Secret", &[("type", "v1.SecretType")]),
    ("SecurityContext", &[("procMount", "v1.ProcMountType")]),
    ("ServicePort", &[("protocol", "v1.Protocol")]),
    (
        "ServiceSpec",
        &[
            ("externalTrafficPolicy", "v1.ServiceExternalTrafficPolicy"),
            ("internalTrafficPolicy", "v1.ServiceInternalTrafficPolicy"),
            ("ipFamilies", "[]v1.IPFamily"),
            ("ipFamilyPolicy", "v1.IPFamilyPolicy"),
            ("sessionAffinity", "v1.ServiceAffinity"),
            ("type", "v1.ServiceType"),
        ],
    ),
    ("SubjectAccessReviewSpec", &[("extra", "map[string]v1.ExtraValue")]),
    ("Taint", &[("effect", "v1.TaintEffect")]),
    ("Toleration", &[("effect", "v1.TaintEffect"), ("operator", "v1.TolerationOperator")]),
    (
        "TopologySpreadConstraint",
        &[
            ("nodeAffinityPolicy", "v1.NodeInclusionPolicy"),
            ("nodeTaintsPolicy", "v1.NodeInclusionPolicy"),
            ("whenUnsatisfiable", "v1.UnsatisfiableConstraintAction"),
        ],
    ),
    ("UserInfo", &[("extra", "map[string]v1.ExtraValue")]),
    ("VolumeHealthCondition", &[("status", "v1.VolumeHealthStatusType")]),
    (
        "VolumeMount",
        &[("mountPropagation", "v1.MountPropagationMode"), ("recursiveReadOnly", "v1.RecursiveReadOnlyMode")],
    ),
    ("VolumeMountStatus", &[("recursiveReadOnly", "v1.RecursiveReadOnlyMode")]),
    ("VolumeResourceRequirements", &[("limits", "v1.ResourceList"), ("requests", "v1.ResourceList")]),
];
