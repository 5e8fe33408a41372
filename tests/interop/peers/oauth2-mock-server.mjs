// An issuer made with oauth2-mock-server. Port: argument. A POST to /rotate replaces its key; every token is for `orders`.
import { createServer } from 'node:http';
import { OAuth2Issuer, OAuth2Service } from 'oauth2-mock-server';

const port = Number(process.argv[2]);
const issuer = new OAuth2Issuer();
issuer.url = `http://127.0.0.1:${port}`;
let service;
async function renew() {
  issuer.keys.clear?.();
  await issuer.keys.generate('RS256');
}
await renew();
service = new OAuth2Service(issuer);
service.on('beforeTokenSigning', (token) => {
  token.payload.aud = 'orders';
});
createServer((request, response) => service.requestHandler(request, response)).listen(port, '127.0.0.1', () =>
  console.log(JSON.stringify({ issuer: issuer.url })),
);
