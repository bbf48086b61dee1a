/** Of the product: of the server, and of agents. */
export const version = '0.1.0'
