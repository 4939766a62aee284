//! The lists themselves, object by object. Elements of a list are looked up like the list.

use super::fields::Fields;

pub(super) const RESOURCE: Fields = Fields {
    honoured: &[("apiVersion", None), ("kind", None), ("metadata", Some(&METADATA)), ("spec", Some(&SPEC))],
    meaningless: &[],
    refused: &["status"],
};

const METADATA: Fields = Fields {
    honoured: &[("name", None)],
    meaningless: &["annotations", "labels", "namespace"],
    refused: &["generateName"],
};

const SPEC: Fields = Fields {
    honoured: &[("entrypoint", None), ("arguments", Some(&ARGUMENTS)), ("templates", Some(&TEMPLATE))],
    meaningless: &[
        "activeDeadlineSeconds",
        "affinity",
        "archiveLogs",
        "artifactGC",
        "artifactRepositoryRef",
        "automountServiceAccountToken",
        "dnsConfig",
        "dnsPolicy",
        "executor",
        "imagePullSecrets",
        "metrics",
        "nodeSelector",
        "podDisruptionBudget",
        "podGC",
        "podMetadata",
        "podPriorityClassName",
        "podSpecPatch",
        "priority",
        "schedulerName",
        "securityContext",
        "serviceAccountName",
        "tolerations",
        "ttlStrategy",
        "workflowMetadata",
    ],
    refused: &[
        "hooks",
        "hostAliases",
        "hostNetwork",
        "onExit",
        "parallelism",
        "retryStrategy",
        "shutdown",
        "suspend",
        "synchronization",
        "templateDefaults",
        "volumeClaimTemplates",
        "volumes",
        "workflowTemplateRef",
    ],
};

const ARGUMENTS: Fields =
    Fields { honoured: &[("parameters", Some(&PARAMETER))], meaningless: &[], refused: &["artifacts"] };

const PARAMETER: Fields = Fields {
    honoured: &[("name", None), ("value", None), ("default", None), ("enum", None)],
    meaningless: &["description"],
    refused: &["globalName", "valueFrom"],
};

const TEMPLATE: Fields = Fields {
    honoured: &[
        ("name", None),
        ("inputs", Some(&ARGUMENTS)),
        ("outputs", Some(&OUTPUTS)),
        ("memoize", Some(&MEMOIZE)),
        ("synchronization", Some(&SYNCHRONIZATION)),
        ("retryStrategy", Some(&RETRY)),
        ("activeDeadlineSeconds", None),
        ("dag", Some(&DAG)),
        ("steps", Some(&CALL)),
        ("container", Some(&CONTAINER)),
    ],
    meaningless: &[
        "affinity",
        "annotations",
        "archiveLocation",
        "automountServiceAccountToken",
        "executor",
        "metadata",
        "metrics",
        "nodeSelector",
        "pendingTimeout",
        "podSpecPatch",
        "priorityClassName",
        "schedulerName",
        "securityContext",
        "serviceAccountName",
        "tolerations",
        "volumes",
    ],
    refused: &[
        "containerSet",
        "daemon",
        "data",
        "failFast",
        "hostAliases",
        "http",
        "initContainers",
        "parallelism",
        "plugin",
        "resource",
        "script",
        "sidecars",
        "suspend",
        "timeout",
    ],
};

const OUTPUTS: Fields = Fields {
    honoured: &[("parameters", Some(&OUTPUT))],
    meaningless: &[],
    refused: &["artifacts", "exitCode", "result"],
};

const OUTPUT: Fields = Fields {
    honoured: &[("name", None), ("valueFrom", Some(&VALUE_FROM))],
    meaningless: &["description"],
    refused: &["default", "enum", "globalName", "value"],
};

const VALUE_FROM: Fields = Fields {
    honoured: &[("path", None), ("default", None), ("parameter", None)],
    meaningless: &[],
    refused: &["configMapKeyRef", "event", "expression", "jqFilter", "jsonPath", "supplied"],
};

const MEMOIZE: Fields = Fields {
    honoured: &[("key", None), ("maxAge", None), ("cache", Some(&CACHE))],
    meaningless: &[],
    refused: &[],
};

const CACHE: Fields = Fields { honoured: &[("configMap", Some(&NAME))], meaningless: &[], refused: &[] };

const NAME: Fields =
    Fields { honoured: &[("name", None)], meaningless: &[], refused: &["database", "namespace"] };

const SYNCHRONIZATION: Fields = Fields {
    honoured: &[("mutexes", Some(&NAME))],
    meaningless: &[],
    refused: &["mutex", "semaphore", "semaphores"],
};

const RETRY: Fields = Fields {
    honoured: &[("limit", None), ("retryPolicy", None), ("backoff", Some(&BACKOFF)), ("expression", None)],
    meaningless: &["affinity"],
    refused: &[],
};

const BACKOFF: Fields = Fields {
    honoured: &[("duration", None), ("factor", None), ("cap", None)],
    meaningless: &[],
    refused: &["maxDuration"],
};

const DAG: Fields = Fields {
    honoured: &[("tasks", Some(&CALL)), ("failFast", None)],
    meaningless: &[],
    refused: &["target"],
};

const CALL: Fields = Fields {
    honoured: &[
        ("name", None),
        ("depends", None),
        ("template", None),
        ("templateRef", Some(&TEMPLATE_REF)),
        ("arguments", Some(&ARGUMENTS)),
        ("withParam", None),
        ("withSequence", Some(&SEQUENCE)),
    ],
    meaningless: &[],
    refused: &["continueOn", "dependencies", "hooks", "inline", "onExit", "when", "withItems"],
};

const TEMPLATE_REF: Fields =
    Fields { honoured: &[("name", None), ("template", None)], meaningless: &[], refused: &["clusterScope"] };

const SEQUENCE: Fields =
    Fields { honoured: &[("count", None)], meaningless: &[], refused: &["end", "format", "start"] };

const CONTAINER: Fields = Fields {
    honoured: &[("command", None), ("args", None), ("env", Some(&ENV))],
    meaningless: &[
        "image",
        "imagePullPolicy",
        "livenessProbe",
        "name",
        "ports",
        "readinessProbe",
        "resources",
        "securityContext",
        "startupProbe",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "volumeMounts",
    ],
    refused: &[
        "envFrom",
        "lifecycle",
        "restartPolicy",
        "stdin",
        "stdinOnce",
        "tty",
        "volumeDevices",
        "workingDir",
    ],
};

const ENV: Fields = Fields {
    honoured: &[("name", None), ("value", None), ("valueFrom", Some(&ENV_FROM))],
    meaningless: &[],
    refused: &[],
};

const ENV_FROM: Fields = Fields {
    honoured: &[("fieldRef", Some(&FIELD_REF)), ("secretKeyRef", Some(&SECRET_REF))],
    meaningless: &[],
    refused: &["configMapKeyRef", "fileKeyRef", "resourceFieldRef"],
};

const FIELD_REF: Fields =
    Fields { honoured: &[("fieldPath", None)], meaningless: &["apiVersion"], refused: &[] };

const SECRET_REF: Fields =
    Fields { honoured: &[("name", None), ("key", None), ("optional", None)], meaningless: &[], refused: &[] };
