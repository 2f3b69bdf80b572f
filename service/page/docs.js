"use strict";

// What Swagger UI writes by itself, in French: it has no translation of its own.
const FRENCH = new Map(Object.entries({
  "Parameters": "Paramètres",
  "No parameters": "Aucun paramètre",
  "Name": "Nom",
  "Description": "Description",
  "Request body": "Contenu",
  "Responses": "Réponses",
  "Code": "Code",
  "required": "obligatoire",
  "* required": "* obligatoire",
  "Example Value": "Exemple",
  "Schema": "Schéma",
  "Schemas": "Modèles",
  "Media type": "Format",
  "Examples": "Exemples",
  "Examples:": "Exemples :",
  "Example Description": "À propos de cet exemple",
  "Default value": "Valeur par défaut",
  "Available values": "Valeurs possibles",
  "Example": "Exemple",
  "Expand all": "Tout déplier",
  "Collapse all": "Tout replier",
  "Loading...": "Chargement…",
  "Additional properties": "Autres champs",
  "Forbidden": "interdits",
  "Any of": "L’un au moins de",
  "One of": "L’un de",
  "All of": "Tous",
  "Enum": "Valeurs",
  "Const": "Valeur",
  "Default": "Par défaut",
  "Items": "Éléments",
  "Properties": "Champs",
  "Examples#": "Exemples",
  "Failed to load API definition.": "La description n’a pas pu être chargée.",
  "Errors": "Erreurs",
  "Hide": "Masquer",
}));

const PLACES = new Map(Object.entries({ header: "en-tête", path: "adresse", query: "requête" }));

// What is ours is shown as it is: names, examples, and our own text but for the words in italics
// that Swagger UI adds to it.
const OURS = "pre, code, option, .renderedMarkdown";

const translate = (node) => {
  if (node.nodeType === Node.TEXT_NODE) {
    const words = node.parentElement?.matches(".parameter__in") ? PLACES : FRENCH;
    const english = node.data.trim();
    const french = words.get(english);
    const ours = node.parentElement?.closest(OURS) && !node.parentElement.matches("i, em");
    if (french && french !== english && !ours) {
      node.data = node.data.replace(english, french);
    }
    return;
  }
  node.childNodes.forEach(translate);
};

new MutationObserver((changes) => {
  for (const change of changes) {
    if (change.type === "characterData") translate(change.target);
    change.addedNodes.forEach(translate);
  }
}).observe(document.getElementById("description"), {
  childList: true,
  characterData: true,
  subtree: true,
});

// A page cannot sign, and must not be given a secret: it shows, and tries nothing.
const nothing = () => null;

window.addEventListener("DOMContentLoaded", () => {
  SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#description",
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [{ components: { authorizeBtn: nothing, authorizeOperationBtn: nothing } }],
    supportedSubmitMethods: [],
    validatorUrl: null,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    defaultModelExpandDepth: 2,
    syntaxHighlight: { theme: "nord" },
  });
});
