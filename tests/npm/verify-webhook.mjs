// Reads [{secret, headers, body, now}] from standard input and prints what the reference verifier says of each: "ok" or its error.
import { Webhook } from 'standardwebhooks';

let input = '';
for await (const chunk of process.stdin) input += chunk;

const clock = Date.now;
const verdicts = JSON.parse(input).map(({ secret, headers, body, now }) => {
  try {
    // The verifier refuses timestamps more than five minutes off; tests run on a clock of their own.
    Date.now = () => now;
    new Webhook(secret).verify(body, headers);
    return 'ok';
  } catch (error) {
    return error.message;
  } finally {
    Date.now = clock;
  }
});
console.log(JSON.stringify(verdicts));
