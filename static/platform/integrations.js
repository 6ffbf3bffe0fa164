// The form of an integration: of the fields and sections that only some kinds have, show those of the kind that is chosen.
(() => {
  "use strict";

  const MEMBERS = {
    none: [],
    bearer: ["secret"],
    basic: ["username", "secret"],
    api_key: ["name", "in", "secret"],
    header: ["header", "secret"],
    oauth2_client_credentials: ["token_url", "client_id", "secret", "scope", "audience", "send"],
    hmac: ["secret", "header", "algorithm"],
  };
  const KINDS = ["rest", "graphql", "grpc", "tool", "mcp"];

  const rowOf = (field) => field.closest(".field-row, .form-row") || field.closest(`[class*="field-"]`);

  const show = () => {
    const type = document.getElementById("id_type");
    const how = document.getElementById("id_auth_type");
    if (!how) return; // on the form of an MCP server there is no type, and only the credential's fields change
    for (const section of document.querySelectorAll("fieldset")) {
      const kinds = KINDS.filter((kind) => section.classList.contains(`of-${kind}`));
      section.hidden = Boolean(type) && kinds.length > 0 && !kinds.includes(type.value);
    }
    const members = MEMBERS[how.value] || [];
    for (const field of document.querySelectorAll("[name^='auth_']")) {
      if (field === how) continue;
      const row = rowOf(field);
      if (row) row.hidden = !members.includes(field.name.slice("auth_".length));
    }
    const address = document.getElementById("id_base_url");
    const place = address && rowOf(address);
    if (place && type) place.hidden = ["tool", "mcp"].includes(type.value);
  };

  document.addEventListener("change", (event) => { if (["id_type", "id_auth_type"].includes(event.target.id)) show(); });
  document.addEventListener("DOMContentLoaded", show);
})();
