// Rules for the page's JavaScript, run by .ci/page.
import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["types/"] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error", reportUnusedInlineConfigs: "error" },
    rules: {
      "array-callback-return": "error",
      curly: ["error", "multi-line"],
      "default-case-last": "error",
      eqeqeq: "error",
      "logical-assignment-operators": "error",
      "no-alert": "error",
      "no-console": ["error", { allow: ["error"] }],
      "no-constructor-return": "error",
      "no-else-return": "error",
      "no-eval": "error",
      "no-implicit-coercion": "error",
      "no-implied-eval": "error",
      "no-lonely-if": "error",
      "no-new-func": "error",
      "no-param-reassign": "error",
      "no-self-compare": "error",
      "no-template-curly-in-string": "error",
      "no-throw-literal": "error",
      "no-unmodified-loop-condition": "error",
      "no-unneeded-ternary": "error",
      "no-unreachable-loop": "error",
      "no-unused-expressions": "error",
      "no-use-before-define": ["error", { functions: false, variables: false }],
      "no-useless-rename": "error",
      "no-useless-return": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": ["error", { destructuring: "all" }],
      "prefer-object-has-own": "error",
      "prefer-object-spread": "error",
      "prefer-rest-params": "error",
      "prefer-template": "error",
      radix: "error",
      strict: ["error", "never"],
      yoda: "error",
      // build.rs removes indentation and comment lines without parsing the script.
      "no-restricted-syntax": ["error", {
        selector: "TemplateElement[value.raw=/\\n/]",
        message: "A template literal must not span lines.",
      }],
      // The Content Security Policy allows no markup from strings.
      "no-restricted-properties": ["error",
        { property: "innerHTML" }, { property: "outerHTML" }, { property: "insertAdjacentHTML" }, { object: "document", property: "write" }],
    },
  },
  { files: ["assets/**"], languageOptions: { globals: globals.browser } },
];
