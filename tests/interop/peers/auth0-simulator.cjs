// Frontside's simulator of Auth0, over https with the certificate below $HOME/.simulacrum/certs. Port: argument. Its ES module build cannot sign.
const { simulation } = require('@simulacrum/auth0-simulator');

const port = Number(process.argv[2]);
const app = simulation({ options: { domain: `localhost:${port}`, audience: 'https://orders.example', scope: 'items:read' } });
app.listen(port, () => console.log(JSON.stringify({ issuer: `https://localhost:${port}/` })));
