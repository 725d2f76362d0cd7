// Prints the path of the Chromium of the npm package, which unpacks it where it is not yet.
import chromium from "@sparticuz/chromium";

console.log(await chromium.executablePath());
