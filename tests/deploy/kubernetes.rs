//! The manifests.

use serde_json::Value;

use crate::{ask, root, succeeded, texts, yaml};

const FOLDER: &str = "deploy/kubernetes";
const NAME: &str = "cpa-exporter";

fn manifest(file: &str) -> Value {
    yaml(&format!("{FOLDER}/{file}"))
}

#[test]
fn one_pod_at_a_time_and_locked_in() {
    let deployment = manifest("deployment.yaml");
    assert_eq!(deployment["spec"]["replicas"], 1);
    assert_eq!(deployment["spec"]["strategy"]["type"], "Recreate");
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    let container = &pod["containers"][0];
    let security = &container["securityContext"];
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(texts(&security["capabilities"]["drop"]), ["ALL"]);
    let image = format!("{NAME}:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(container["image"], image.as_str());
    for (probe, path) in [
        ("startupProbe", "/-/healthy"),
        ("livenessProbe", "/-/healthy"),
        ("readinessProbe", "/-/ready"),
    ] {
        assert_eq!(container[probe]["httpGet"]["path"], path);
    }
    assert!(container["resources"]["limits"]["memory"].is_string());
}

#[test]
fn names_and_mounts_fit_together() {
    let deployment = manifest("deployment.yaml");
    let spec = &deployment["spec"]["template"]["spec"];
    let volumes = spec["volumes"].as_array().unwrap();
    let mounts = spec["containers"][0]["volumeMounts"].as_array().unwrap();
    let names = |list: &[Value]| {
        list.iter()
            .map(|one| one["name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(volumes), names(mounts));
    assert_eq!(
        volumes[0]["persistentVolumeClaim"]["claimName"],
        manifest("pvc.yaml")["metadata"]["name"]
    );
    let secret = manifest("secret.example.yaml");
    assert_eq!(
        volumes[1]["secret"]["secretName"],
        secret["metadata"]["name"]
    );
    let file = secret["stringData"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap();
    let mounted = format!("{}/{file}", mounts[1]["mountPath"].as_str().unwrap());
    let env = spec["containers"][0]["env"].as_array().unwrap();
    let key = env
        .iter()
        .find(|one| one["name"] == "CPA_MANAGEMENT_KEY_FILE")
        .unwrap();
    assert_eq!(key["value"], mounted.as_str());

    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&deployment["spec"]["selector"]["matchLabels"], labels);
    let service = manifest("service.yaml");
    assert_eq!(&service["spec"]["selector"], labels);
    let port = &spec["containers"][0]["ports"][0];
    assert_eq!(service["spec"]["ports"][0]["targetPort"], port["name"]);
    let policy = manifest("networkpolicy.yaml");
    assert_eq!(&policy["spec"]["podSelector"]["matchLabels"], labels);
    assert_eq!(
        policy["spec"]["ingress"][0]["ports"][0]["port"],
        port["name"]
    );
    let monitor = manifest("servicemonitor.yaml");
    assert_eq!(
        monitor["spec"]["selector"]["matchLabels"],
        service["metadata"]["labels"]
    );
    let endpoint = &monitor["spec"]["endpoints"][0];
    assert_eq!(endpoint["port"], service["spec"]["ports"][0]["name"]);
    assert_eq!(
        endpoint["relabelings"][0]["replacement"], "cpa",
        "rules and boards ask for it"
    );
}

#[test]
fn every_file_is_a_manifest_of_ours() {
    for file in crate::files(&root().join(FOLDER)) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let manifest = manifest(name);
        assert!(
            manifest["apiVersion"].is_string() && manifest["kind"].is_string(),
            "{name}"
        );
        if name != "kustomization.yaml" {
            assert!(
                manifest["metadata"]["name"]
                    .as_str()
                    .unwrap()
                    .starts_with(NAME),
                "{name}"
            );
        }
    }
}

#[test]
fn kustomize_builds_it() {
    let folder = root().join(FOLDER);
    let Some(output) = ask("kubectl", &["kustomize", folder.to_str().unwrap()]) else {
        return;
    };
    let built = succeeded(&output);
    let kinds: Vec<_> = built
        .lines()
        .filter_map(|line| line.strip_prefix("kind: "))
        .collect();
    assert_eq!(kinds, ["Service", "PersistentVolumeClaim", "Deployment"]);
    let image = format!("image: {NAME}:{}\n", env!("CARGO_PKG_VERSION"));
    assert!(built.contains(&image), "{built}");
}
