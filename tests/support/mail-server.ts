import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and body as they came. */
  readonly source: string;
}

export interface MailServer {
  readonly port: number;
  readonly mails: ReceivedMail[];
  /** Users and passwords that were offered. */
  readonly logins: string[];
  /** Answer to the next mails; undefined takes them. */
  refusal: { readonly code: number; readonly message: string } | undefined;
  close(): Promise<void>;
}

/** A real SMTP server on this machine, which offers STARTTLS with a certificate that nobody trusts. */
export async function startMailServer(): Promise<MailServer> {
  const server = new SMTPServer({
    authOptional: true,
    allowInsecureAuth: true,
    onAuth({ username, password }, _session, done) {
      mail.logins.push(`${username} ${password}`);
      if (password === 'p@ss') done(null, { user: username });
      else done(new Error('wrong password'));
    },
    onData(stream, { envelope }, done) {
      void text(stream).then((source) => {
        if (mail.refusal !== undefined)
          return done(Object.assign(new Error(mail.refusal.message), { responseCode: mail.refusal.code }));
        const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
        mail.mails.push({ from, to: envelope.rcptTo.map(({ address }) => address), source });
        return done();
      });
    },
  });
  // Clients that break off are what some tests are about.
  server.on('error', () => {});
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  const mail: MailServer = {
    port: (server.server.address() as AddressInfo).port,
    mails: [],
    logins: [],
    refusal: undefined,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
  return mail;
}
