/**
 * What a client's sidecar shows and whom it believes, as its DestinationRule says: the workload's own certificate and the
 * mesh's roots, or files.
 *
 * Files are those of the mesh's options. Two names always exist, as in every injected Pod: the mesh's roots, and the
 * workload's certificate and key where `OUTPUT_CERTS` puts them. `system` roots are what the options say, never the
 * machine's. Names in `credentialName` stand for nothing here: whoever needs one gets no certificate and trusts nobody.
 * @module
 */
import { assertNever, type Instant, messageOf } from '../core/index.ts';
import { Certificate, keyPairFromPem, verifyChain } from '../pki/index.ts';
import { acceptsServerNames, type CertificateFacts, type TlsClient } from '../policy/index.ts';
import type { Credential, PeerVerdict } from '../wire/index.ts';
import type { CertificateAgent } from './certificate-agent.ts';
import type { MeshCa } from './mesh-ca.ts';
import { anchorsOf, chainFacts, rootAnchors } from './predicted-certificate.ts';

export const MESH_ROOT_FILES: readonly string[] = ['/var/run/secrets/istio/root-cert.pem', '/etc/certs/root-cert.pem'];
export const WORKLOAD_CHAIN_FILE = '/etc/certs/cert-chain.pem';
export const WORKLOAD_KEY_FILE = '/etc/certs/key.pem';

/** PEM by path. */
export type CertificateFiles = Readonly<Record<string, string>>;

export interface ClientTrustOptions {
  readonly files: CertificateFiles;
  /** PEM certificates that stand for the operating system's. */
  readonly systemRoots: readonly string[];
  readonly ca: MeshCa;
}

interface FileCredential extends Credential {
  readonly chain: readonly Certificate[];
}

export class ClientTrust {
  readonly #options: ClientTrustOptions;
  readonly #credentials = new Map<string, FileCredential | undefined>();
  readonly #roots = new Map<string, readonly Certificate[]>();
  readonly #system: readonly Certificate[];

  constructor(options: ClientTrustOptions) {
    this.#options = options;
    this.#system = Object.freeze(options.systemRoots.flatMap((pem) => Certificate.allFromPem(pem)));
  }

  credential({ credential }: TlsClient, agent: CertificateAgent): Credential | undefined {
    if (credential === undefined || credential.kind === 'credential') return undefined;
    if (credential.kind === 'workload') return agent.current();
    const { certificate, privateKey } = credential;
    if (certificate === WORKLOAD_CHAIN_FILE && privateKey === WORKLOAD_KEY_FILE) return agent.current();
    return this.#fromFiles(certificate, privateKey);
  }

  /** @param host Host of the request; absent on raw connections */
  verdict(tls: TlsClient, chain: readonly Uint8Array[], agent: CertificateAgent, host?: string): PeerVerdict {
    const { ca } = this.#options;
    if (tls.trust.kind === 'mesh') return ca.verifyServer(chain, agent.now(), tls.subjectAltNames, agent.trusted);
    try {
      return this.#judge(
        tls,
        chain.map((der) => Certificate.fromDer(der)),
        agent,
        host,
      );
    } catch (error) {
      return { ok: false, reason: 'malformed', detail: messageOf(error) };
    }
  }

  #judge(
    tls: TlsClient,
    chain: readonly Certificate[],
    agent: CertificateAgent,
    host: string | undefined,
  ): PeerVerdict {
    const [leaf] = chain;
    if (leaf === undefined) return { ok: false, reason: 'no_server_certificate', detail: 'no certificate' };
    const names = namesOf(leaf);
    const principal = names.find((name) => name.startsWith('spiffe://'));
    const shown = principal === undefined ? {} : { principal };
    // Nothing is verified, so nothing is proved.
    if (tls.trust.kind === 'none') return { ok: true, validUntil: leaf.notAfter };
    const at: Instant = agent.now();
    const result = verifyChain(chain, { roots: this.#rootsOf(tls, agent), at, purpose: 'server' });
    if (!result.ok) return result;
    if (!acceptsServerNames(tls, names, host)) {
      return { ok: false, reason: 'san_mismatch', detail: `the server is ${names.join(', ') || 'nameless'}` };
    }
    return { ok: true, validUntil: result.validUntil, ...shown };
  }

  /** Roots as the model compares them. */
  anchors(tls: TlsClient, agent: CertificateAgent): readonly string[] {
    if (tls.trust.kind === 'mesh') return anchorsOf({ at: agent.now(), trusted: agent.trusted });
    return this.#rootsOf(tls, agent).flatMap(rootAnchors);
  }

  /** What `credential` shows, as the model compares it. */
  facts({ credential }: TlsClient, at: Instant): CertificateFacts | undefined {
    if (credential?.kind !== 'file') return undefined;
    const found = this.#fromFiles(credential.certificate, credential.privateKey);
    return found === undefined ? undefined : chainFacts(found.chain, at);
  }

  #rootsOf({ trust }: TlsClient, agent: CertificateAgent): readonly Certificate[] {
    switch (trust.kind) {
      case 'mesh':
        return agent.trusted.roots;
      case 'system':
        return this.#system;
      case 'file':
        return MESH_ROOT_FILES.includes(trust.path) ? agent.trusted.roots : this.#certificatesOf(trust.path);
      case 'credential':
      case 'none':
        return [];
      default:
        return assertNever(trust);
    }
  }

  #certificatesOf(path: string): readonly Certificate[] {
    const known = this.#roots.get(path);
    if (known !== undefined) return known;
    const pem = this.#file(path);
    const roots = Object.freeze(pem === undefined ? [] : Certificate.allFromPem(pem));
    this.#roots.set(path, roots);
    return roots;
  }

  /** One object for each pair of files: contexts are kept by it. */
  #fromFiles(certificate: string, privateKey: string): FileCredential | undefined {
    const id = `${certificate}\n${privateKey}`;
    if (!this.#credentials.has(id)) {
      const [chain, key] = [this.#file(certificate), this.#file(privateKey)];
      const found =
        chain === undefined || key === undefined
          ? undefined
          : { chain: Certificate.allFromPem(chain), key: keyPairFromPem(key) };
      this.#credentials.set(id, found);
    }
    return this.#credentials.get(id);
  }

  #file(path: string): string | undefined {
    return Object.hasOwn(this.#options.files, path) ? this.#options.files[path] : undefined;
  }
}

/** The URI and DNS names of a certificate. */
export function namesOf({ extensions }: Certificate): readonly string[] {
  return (extensions.subjectAltName ?? []).flatMap((name) =>
    name.kind === 'uri' || name.kind === 'dns' ? [name.text] : [],
  );
}
