// Prints the shell script of a Nextflow module, filled in as Nextflow would: Groovy evaluates what stands under `script:` (or `stub:`) with the inputs
// given, after it has parsed the whole file. That every word of it is Nextflow's is not checked: Nextflow is not needed.
//
//     groovy tests/oracles/nextflow_script.groovy packaging/nf-core/modules/gfgenomics/score/main.nf script \
//         "[meta: [id: 'people'], vcf: 'people.vcf', fasta: 'reference.fa', model: 'model', cohort: []]"

import org.codehaus.groovy.control.CompilationUnit
import org.codehaus.groovy.control.Phases

def (file, part, inputs) = args
def module = new File(file).text
def unit = new CompilationUnit()
unit.addSource(file, module)
unit.compile(Phases.CONVERSION)

def parts = [script: /(?s)\n    script:\n(.*?)\n    stub:\n/, stub: /(?s)\n    stub:\n(.*)\n\}/]
def shell = new GroovyShell(new Binding(Eval.me(inputs) + [task: [ext: [:], cpus: 2]]))
print shell.evaluate((module =~ parts[part])[0][1])
